"""Steps of the speech LM: score and prompt to tokens, and the embeddings expected with these."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from espnet2_ext.data.streams import StreamSizes, StreamTables
from espnet2_ext.errors import UserError
from espnet2_ext.files import read_scp
from espnet2_ext.inference.step import Columns, Step, check_phones, others
from espnet2_ext.score.length import LengthCount
from espnet2_ext.speechlm.inference import DecodingConfig, SpeechLMInference
from espnet2_ext.speechlm.model import stream_sizes


class _OfSpeechLM(Step):
    """A step whose model is a speech LM."""

    model: SpeechLMInference

    @property
    def may_read(self) -> tuple[str, ...]:  # type: ignore[override]
        return ("prompt", "svs_frames", *self.model.more_streams)

    @property
    def sizes(self) -> StreamSizes:
        return StreamSizes(codes=stream_sizes(self.model.model.vocabulary))


@dataclass(frozen=True)
class SpeechLMStep(_OfSpeechLM):
    """Tokens of a score, sung in the voice of a prompt; and their mean log-likelihood.

    Args:
        model: The speech LM.
        decoding: How it chooses.
    """

    reads = ("score_frames",)
    writes = ("codec_ssl", "scores")

    model: SpeechLMInference
    decoding: DecodingConfig

    @property
    def batch_utts(self) -> int:  # type: ignore[override]
        return max(1, self.decoding.batch_size // self.decoding.nbest)

    @property
    def prompt_frames(self) -> int:
        return self.decoding.max_prompt_frames or self.model.model.config.max_prompt_frames

    def check(self, tokenizers: Any, vocabulary: Any, place: str) -> None:
        check_phones(self.model.model.phones, tokenizers.phones, place)
        if tuple(self.model.model.vocabulary.tokens) != tuple(vocabulary.tokens):
            raise UserError(place, "another", "the pack's own", "vocabulary")

    @property
    def options(self) -> str:
        return str(self.decoding)

    def with_seed(self, seed: int) -> "SpeechLMStep":
        return replace(self, decoding=replace(self.decoding, seed=seed))

    def __call__(self, columns: Columns, names: Sequence[str]) -> Columns:
        sung = self.model.generate(
            columns["score_frames"], columns.get("prompt"), self.decoding,
            columns.get("svs_frames"), others(columns, self.model.more_streams),
        )  # fmt: skip
        return {
            "codec_ssl": [one.tokens for one in sung],
            "scores": [f"{one.score:.6f}" for one in sung],
        }

    def finish(self, tables: StreamTables, output_dir: Path) -> None:
        """Tell how lengths that the model chose compare with the scores'."""
        if self.decoding.fixed_length or not self.model.model.keeps_time:
            return
        sung, nq = read_scp(output_dir / "codec_ssl.scp"), len(self.sizes.codes)
        LengthCount.of(
            (key, len(sung[key]) // nq, tables.n_frames("score_frames", key)) for key in tables.keys
        ).log(str(tables.paths["score_frames"]))


@dataclass(frozen=True)
class SoftStep(_OfSpeechLM):
    """Codec embeddings that the speech LM expected where it chose its tokens.

    Args:
        model: The speech LM.
        decoding: Options that the tokens were chosen with.
        tables: Codec embeddings by codebook and code (n_codebooks, K, D).
        offset: Added to their sum (D,).
        batch_size: Utterances of one pass.
    """

    reads = ("codec_ssl", "score_frames")
    writes = ("soft",)
    chunks = "soft_chunks"  # the tokens may lie in the same folder

    model: SpeechLMInference
    decoding: DecodingConfig
    tables: Tensor
    offset: Tensor
    batch_size: int = 16

    @property
    def options(self) -> str:
        return f"{self.decoding} {self.batch_size}"

    def __call__(self, columns: Columns, names: Sequence[str]) -> Columns:
        embeddings: dict[int, Tensor] = {}
        for batch in _by_length([len(codes) for codes in columns["codec_ssl"]], self.batch_size):
            of_batch = {name: [values[k] for k in batch] for name, values in columns.items()}
            expected = self.model.expect(
                of_batch["codec_ssl"], of_batch["score_frames"], of_batch.get("prompt"),
                self.tables, self.offset, self.decoding, of_batch.get("svs_frames"),
                others(of_batch, self.model.more_streams),
            )  # fmt: skip
            embeddings |= zip(batch, expected, strict=True)
        return {"soft": [embeddings[k].cpu() for k in range(len(names))]}


def _by_length(lengths: Sequence[int], batch_size: int) -> Iterator[list[int]]:
    """Indices in batches of similar lengths."""
    order = sorted(range(len(lengths)), key=lengths.__getitem__)
    for first in range(0, len(order), batch_size):
        yield order[first : first + batch_size]
