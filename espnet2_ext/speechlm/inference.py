"""Sing tokens with a trained speech LM."""

import zlib
from argparse import Namespace
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import LongTensor, Tensor
from torch.nn.utils.rnn import pad_sequence

from espnet2_ext.checkpoint import build_strict, load_state
from espnet2_ext.data.batch import Batch
from espnet2_ext.errors import UserError
from espnet2_ext.files import parse_config, read_yaml
from espnet2_ext.score.frames import MIDI_COLUMN, SCORE_COLUMNS
from espnet2_ext.speechlm.build import build_speechlm
from espnet2_ext.speechlm.decoding import decode
from espnet2_ext.speechlm.model import Conditions, SpeechLM
from espnet2_ext.speechlm.sampling import DecodingConfig
from espnet2_ext.speechlm.soft import expected_embeddings
from espnet2_ext.tokenizer.vocabulary import TOKEN_LIST

__all__ = ["DecodingConfig", "Generated", "SpeechLMInference", "load_decoding"]

_DEFAULTS = {
    "token_list": None, "token_bias": None, "phone_list": None, "model_conf": {},
    "corelm": "ar_delay", "corelm_conf": {}, "score_encoder": None, "score_encoder_conf": {},
    "prompt_encoder": None, "prompt_encoder_conf": {}, "conditions": {},
}  # fmt: skip


@dataclass(frozen=True)
class Generated:
    """Tokens of an utterance: local codes (F, nq), and their mean log-likelihood."""

    tokens: LongTensor
    score: float


def load_decoding(path: str | Path | None) -> DecodingConfig:
    """``decode_speechlm.yaml``; the defaults without a file."""
    return parse_config(DecodingConfig, read_yaml(path), path) if path else DecodingConfig()


class SpeechLMInference:
    """A trained speech LM.

    Args:
        model: The model.
    """

    def __init__(self, model: SpeechLM) -> None:
        self.model = model.eval()

    @property
    def more_streams(self) -> list[str]:
        """Streams of other conditions that the model reads."""
        return [] if self.model.more is None else self.model.more.more_streams

    @classmethod
    def load(
        cls,
        config: str | Path,
        weights: str | Path,
        device: str | torch.device = "cpu",
        dtype: str = "float32",
        vocabulary_dir: str | Path | None = None,
    ) -> "SpeechLMInference":
        """Load a trained model, strictly.

        Args:
            config: config.yaml of the experiment.
            weights: Plain ``.pth`` or ``.safetensors``.
            device: Where it runs.
            dtype: ``float32``, ``bfloat16`` or ``float16``.
            vocabulary_dir: Folder of a ``token_list.json`` to take in place of the configuration's
                own list.

        Raises:
            UserError: weights and configuration do not fit.
        """
        if dtype not in ("float32", "bfloat16", "float16"):
            raise UserError("dtype", f"{dtype!r}", "float32, bfloat16 or float16")
        state = load_state(weights)
        args = Namespace(**{**_DEFAULTS, **read_yaml(config)})
        if vocabulary_dir is not None:
            args.token_list, args.token_bias = Path(vocabulary_dir) / TOKEN_LIST, None
        model = build_strict(
            lambda: build_speechlm(args, str(config), for_inference=True), state, config, weights
        )
        return cls(model.to(device, getattr(torch, dtype)))

    @torch.no_grad()
    def generate(
        self,
        score_frames: Sequence[LongTensor],
        prompts: Sequence[LongTensor] | None = None,
        decoding: DecodingConfig | None = None,
        svs_frames: Sequence[LongTensor] | None = None,
        more: Mapping[str, Sequence[Tensor]] | None = None,
    ) -> list[Generated]:
        """Sing scores of any lengths, in their order.

        An utterance's draws are seeded by ``decoding.seed`` and its score, so results depend
        neither on the batch nor on the order.

        Args:
            score_frames: Per utterance (F, 4): phone id, midi, phone index, note index.
            prompts: Per utterance local codes of the singer (P, nq); None: no prompt.
            decoding: Options.
            svs_frames: Per utterance (S, 4): the score as the prefix tells it, where svs_lb
                rounds otherwise.
            more: Streams of other conditions: name -> per utterance its values. A condition whose
                stream is not given is left out.

        Raises:
            UserError: a score or prompt that the model has no tokens for.
        """
        config = decoding or DecodingConfig()
        more = dict(more or {})
        self._check(score_frames, prompts, svs_frames, more)
        order = sorted(range(len(score_frames)), key=lambda k: -len(score_frames[k]))
        per_batch = max(1, config.batch_size // config.nbest)
        results: dict[int, Generated] = {}
        for first in range(0, len(order), per_batch):
            batch = order[first : first + per_batch]
            results |= zip(
                batch,
                self._generate_batch(
                    [score_frames[k].long() for k in batch],
                    None if prompts is None else [prompts[k].long() for k in batch],
                    config,
                    None if svs_frames is None else [svs_frames[k].long() for k in batch],
                    {name: [rows[k] for k in batch] for name, rows in more.items()},
                ),
                strict=True,
            )
        return [results[k] for k in range(len(score_frames))]

    @torch.no_grad()
    def expect(
        self,
        tokens: Sequence[LongTensor],
        score_frames: Sequence[LongTensor],
        prompts: Sequence[LongTensor] | None,
        tables: Tensor,
        offset: Tensor,
        decoding: DecodingConfig | None = None,
        svs_frames: Sequence[LongTensor] | None = None,
        more: Mapping[str, Sequence[Tensor]] | None = None,
    ) -> list[Tensor]:
        """Codec embeddings (F, D) expected where `tokens` were chosen, of one batch.

        Args:
            tokens: Per utterance local codes (F, nq), those of `generate`; as many as the score's
                frames unless ``decoding.fixed_length`` is off.
            score_frames: As in `generate`.
            prompts: As in `generate`.
            tables: Codec embeddings by codebook and code (n_codebooks, K, D).
            offset: Added to their sum (D,).
            decoding: Options; `score_weight`, `prompt_guidance`, `soft_temperature` and
                `max_prompt_frames` hold.
            svs_frames: As in `generate`.
            more: As in `generate`.

        Raises:
            UserError: a score or prompt that the model has no tokens for, or that does not fit;
                guidance of a model that was never trained without prompts.
        """
        config = decoding or DecodingConfig()
        more = dict(more or {})
        self._check(score_frames, prompts, svs_frames, more)
        for k, (codes, score) in enumerate(zip(tokens, score_frames, strict=True)):
            if config.fixed_length and len(codes) != len(score):
                raise UserError(f"utterance {k + 1}", f"{len(codes)} frames of tokens",
                                f"{len(score)}, as its score")  # fmt: skip
        scores = [s.long() for s in score_frames]
        conditions, unprompted = self._conditions(scores, prompts, config, svs_frames, more), None
        if config.prompt_guidance:
            if not getattr(self.model.prompt_encoder, "dropout", 0):
                found = f"{config.prompt_guidance} for a model never trained without prompts"
                expected = "0, or a model with prompt dropout"
                raise UserError("speech LM", found, expected, "prompt_guidance")
            unprompted = self._conditions(scores, None, config, svs_frames, more)
        codes = [t.long() for t in tokens]
        return expected_embeddings(
            self.model, conditions, unprompted, codes, tables, offset, config
        )

    def _conditions(
        self,
        scores: Sequence[LongTensor],
        prompts: Sequence[LongTensor] | None,
        config: DecodingConfig,
        svs_frames: Sequence[LongTensor] | None,
        more: Mapping[str, Sequence[Tensor]],
    ) -> Conditions:
        rows = {"score_frames": scores, "prompt": prompts, "svs_frames": svs_frames}
        rows = {name: r and [x.long() for x in r] for name, r in rows.items()}
        batch = Batch.of(self.model.device, **rows, **more)
        return self.model.conditions(batch, max_prompt_frames=config.max_prompt_frames)

    def _generate_batch(
        self,
        scores: list[LongTensor],
        prompts: list[LongTensor] | None,
        config: DecodingConfig,
        svs_frames: list[LongTensor] | None,
        more: dict[str, list[Tensor]],
    ) -> list[Generated]:
        n, nq, device = config.nbest, self.model.vocabulary.nq, self.model.device
        frames = [len(s) if config.fixed_length else self._most_frames(s, config) for s in scores]
        uniform = [_uniform(s, k, F, nq, config.seed) for s, F in zip(scores, frames, strict=True)
                   for k in range(n)]  # fmt: skip
        conditions = self._conditions(scores, prompts, config, svs_frames, more)
        decoded = decode(
            self.model,
            conditions,
            torch.tensor(frames),
            pad_sequence(uniform, batch_first=True).to(device),
            config,
        )
        best = decoded.scores.view(-1, n).argmax(-1).tolist()
        chosen = [utterance * n + k for utterance, k in enumerate(best)]
        return [Generated(decoded.tokens[k].cpu(), float(decoded.scores[k])) for k in chosen]

    def _most_frames(self, score: LongTensor, config: DecodingConfig) -> int:
        """Where a free length is given up: what runs far past its score has lost it."""
        if not self.model.keeps_time:
            return config.max_frames
        return min(config.max_frames, 4 * len(score) + 100)

    def _check(
        self,
        scores: Sequence[LongTensor],
        prompts: Sequence[LongTensor] | None,
        svs_frames: Sequence[LongTensor] | None = None,
        more: Mapping[str, Sequence[Tensor]] | None = None,
    ) -> None:
        read = self.more_streams
        for field, rows in (more or {}).items():
            if field not in read:
                expected = f"one of {', '.join(read)}" if read else "none"
                raise UserError("speech LM", "not read by this model", expected, field)
            if len(rows) != len(scores):
                raise UserError(field, f"{len(rows)}", f"{len(scores)}, as the scores")
        if svs_frames is not None:
            if len(svs_frames) != len(scores):
                raise UserError("svs_frames", f"{len(svs_frames)}", f"{len(scores)}, as the scores")
            self._check(svs_frames, None)
        sizes = torch.tensor([end - start for start, end in self.model.vocabulary.stream_slices()])
        if prompts is not None and len(prompts) != len(scores):
            raise UserError("prompts", f"{len(prompts)}", f"{len(scores)}, as the scores")
        for k, score in enumerate(scores):
            place = f"utterance {k + 1} of {len(scores)}"
            if score.dim() != 2 or score.size(1) != SCORE_COLUMNS or not len(score):
                raise UserError(
                    place, f"a score of shape {tuple(score.shape)}", f"(F, {SCORE_COLUMNS})"
                )
            phones, midi = score[:, 0], score[:, MIDI_COLUMN]
            if phones.min() < 0 or phones.max() >= len(self.model.phones):
                raise UserError(place, f"phone ids up to {int(phones.max())}",
                                f"below {len(self.model.phones)}")  # fmt: skip
            if midi.min() < 0 or midi.max() > 127:
                raise UserError(place, f"midi {int(midi.max())}", "0 to 127")
            if prompts is None:
                continue
            prompt = prompts[k]
            if prompt.dim() != 2 or prompt.size(1) != len(sizes):
                raise UserError(place, f"a prompt of shape {tuple(prompt.shape)}",
                                f"(P, {len(sizes)})")  # fmt: skip
            if ((prompt < 0) | (prompt >= sizes)).any():
                raise UserError(place, "codes of the prompt outside their streams",
                                f"below {sizes.tolist()}")  # fmt: skip


def _uniform(score: LongTensor, candidate: int, frames: int, nq: int, seed: int) -> Tensor:
    data = score.to(torch.int32).contiguous().numpy().tobytes()
    generator = np.random.default_rng([seed, candidate, zlib.crc32(data)])
    return torch.from_numpy(generator.random((frames + nq, nq), dtype=np.float32))
