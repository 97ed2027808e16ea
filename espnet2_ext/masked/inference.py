"""A trained masked generator: tokens of utterances of any lengths, in their order."""

import argparse
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import LongTensor, Tensor

from espnet2_ext.checkpoint import build_strict, load_state
from espnet2_ext.data.batch import Batch
from espnet2_ext.device import autocast
from espnet2_ext.errors import UserError
from espnet2_ext.files import parse_config, read_yaml
from espnet2_ext.masked.build import DEFAULTS, build_model
from espnet2_ext.masked.joined import join
from espnet2_ext.masked.model import SEMANTIC, TARGETS, MaskedModel
from espnet2_ext.masked.options import MaskedDecoding
from espnet2_ext.score.frames import MIDI_COLUMN

Hearing = Callable[[Tensor, LongTensor], float]
"""How well codes (L, N), or distributions of them (L, N, K), agree with pitch tokens (L,)."""


def read_sections(path: str | Path | None) -> dict[str, dict[str, Any]]:
    """Options of both stages: the sections ``semantic`` and ``acoustic`` of a YAML.

    Raises:
        UserError: another section.
    """
    values = read_yaml(path) if path else {}
    for name in values:
        if name not in TARGETS:
            raise UserError(path, f"{name!r}", f"sections {' and '.join(TARGETS)}")
    return {stage: values.get(stage) or {} for stage in TARGETS}


def load_decoding(path: str | Path | None, stage: str) -> MaskedDecoding:
    """Options of one stage, of a YAML of `read_sections`; without it the defaults.

    Raises:
        UserError: another section, an unknown option, or several takes of semantic tokens, which
            nothing here can choose from.
    """
    place = f"{path}: {stage}"
    decoding = parse_config(MaskedDecoding, read_sections(path)[stage], place)
    if stage == SEMANTIC and decoding.nbest > 1:
        raise UserError(place, str(decoding.nbest), "1: takes are of acoustic tokens", "nbest")
    return decoding


@dataclass(frozen=True)
class Generated:
    """What a model made of utterances, on the CPU.

    Args:
        tokens: ``codec_ssl`` of each (L, nq).
        soft: The codec's embedding that it expected of each frame (L, D), as the sum over layers of
            each code's embedding times its probability when its frame was last predicted; None: not
            asked for.
    """

    tokens: list[LongTensor]
    soft: list[Tensor] | None


@dataclass(frozen=True)
class _Take:
    """One utterance, as in `Generated`, and its agreement with its score; 0 if none was asked."""

    tokens: LongTensor
    soft: Tensor | None
    agreement: float


def expected(probabilities: Tensor, tables: Tensor, offset: Tensor) -> Tensor:
    """Mean embeddings (L, D) of codes drawn by probabilities (L, N, K >= codes of the tables)."""
    of_codes = probabilities[..., : tables.size(1)].float()
    return offset + torch.einsum("lnk,nkd->ld", of_codes, tables)


class MaskedInference:
    """A trained model.

    Args:
        model: The model, in evaluation mode.
        max_prompt_frames: Token frames of a prompt that are used.
        dtype: Of the networks' products: one of `DTYPES`; None: float32.
    """

    def __init__(
        self, model: MaskedModel, max_prompt_frames: int = 150, dtype: str | None = None
    ) -> None:
        self.model, self.max_prompt_frames, self.dtype = model.eval(), max_prompt_frames, dtype

    @classmethod
    def load(
        cls,
        config: str | Path,
        weights: str | Path,
        device: str | torch.device = "cpu",
        dtype: str | None = None,
    ) -> "MaskedInference":
        """Load a trained model, strictly.

        Args:
            config: config.yaml of the experiment.
            weights: Plain ``.pth`` or ``.safetensors``.
            device: Where it runs.
            dtype: As in the constructor.

        Raises:
            UserError: weights and configuration do not fit.
        """
        values = {**DEFAULTS, "max_prompt_frames": 150, **read_yaml(config)}
        if not values["sizes"]:
            expected = "the config.yaml of a masked generator's experiment"
            raise UserError(config, "missing", expected, "sizes")
        args = argparse.Namespace(**values)
        state = load_state(weights)
        trained = build_strict(lambda: build_model(args, config), state, config, weights)
        return cls(trained.model.to(device), args.max_prompt_frames, dtype)

    @property
    def codes(self) -> tuple[int, ...]:
        """Codes of each stream of ``codec_ssl``, semantic first (nq,)."""
        return self.model.sizes.codes

    @property
    def takes_prompts(self) -> bool:
        """Whether it was trained with prompts from other utterances."""
        return self.max_prompt_frames > 0

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return next(self.model.parameters()).device

    def generate(
        self,
        scores: Sequence[LongTensor],
        tokens: Sequence[LongTensor],
        prompts: Sequence[LongTensor] | None,
        config: MaskedDecoding,
        fixed: Sequence[Tensor] | None = None,
        embeddings: tuple[Tensor, Tensor] | None = None,
        hearing: Hearing | None = None,
    ) -> Generated:
        """Fill in the streams that the model generates.

        A take's noise is seeded by ``config.seed``, its number, and the utterance's score and what
        is given of it, so that tokens depend neither on the batch nor on the order. Of
        ``config.nbest`` takes the one that agrees best is kept, the first of equals.

        Args:
            scores: Score frames of each utterance (L, 4).
            tokens: ``codec_ssl`` of each (L, nq): what is given of it, and any codes elsewhere.
            prompts: Tokens of the singer (P, nq), each; None: no singer is given.
            config: Options.
            fixed: Codes of the generated streams that stay as they are (L, N).
            embeddings: Of the codec, tables (N, K, D) and offset (D,), of which the expected ones
                are wanted.
            hearing: Judges takes by what is decoded of them: with `embeddings` the codes'
                distributions, else their codes.

        Raises:
            UserError: several takes, and nothing that hears them.
        """
        if config.nbest > 1 and hearing is None:
            raise UserError("masked decoding", f"{config.nbest} without a transcription", "1",
                            "nbest")  # fmt: skip
        order = sorted(range(len(tokens)), key=lambda k: len(tokens[k]))
        results: dict[int, _Take] = {}
        for start in range(0, len(order), config.batch_size):
            rows = order[start : start + config.batch_size]
            given = [_rows(values, rows) for values in (scores, tokens, prompts, fixed)]
            takes = [
                self._batch(*given, config, embeddings, hearing if config.nbest > 1 else None, n)
                for n in range(config.nbest)
            ]
            for k, of_one in zip(rows, zip(*takes, strict=True), strict=True):
                results[k] = max(of_one, key=lambda take: take.agreement)
        found = [results[k] for k in range(len(tokens))]
        soft = [take.soft for take in found if take.soft is not None]
        return Generated([take.tokens for take in found], soft if embeddings else None)

    @torch.no_grad()
    def _batch(
        self,
        scores: list[LongTensor],
        tokens: list[LongTensor],
        prompts: list[LongTensor] | None,
        fixed: list[Tensor] | None,
        config: MaskedDecoding,
        embeddings: tuple[Tensor, Tensor] | None,
        hearing: Hearing | None,
        take: int,
    ) -> list[_Take]:
        given = [self.model.filled(row.long(), 0) for row in tokens]
        seed = f"{config.seed} {take} " if take else f"{config.seed} "
        seeds = [
            zlib.crc32(seed.encode() + _bytes(score) + _bytes(row))
            for score, row in zip(scores, given, strict=True)
        ]
        if prompts is not None:
            prompts = [prompt[: self.max_prompt_frames].long() for prompt in prompts]
        batch = Batch.of(
            self.device, codec_ssl=[row.long() for row in tokens],
            score_frames=[row.long() for row in scores], prompt=prompts,
        )  # fmt: skip
        whole = join(batch)
        batch, before = whole.batch, whole.prompts
        kept = None
        if fixed is not None:
            kept = torch.zeros_like(self.model.codes(batch), dtype=torch.bool)
            for b, rows in enumerate(fixed):
                kept[b, before[b] : before[b] + len(rows)] = rows.to(self.device)
        with autocast(self.device, self.dtype):
            decoded = self.model.generate(batch, before, config, seeds, kept, bool(embeddings))
        found = []
        for b, row in enumerate(tokens):
            target = slice(int(before[b]), int(before[b]) + len(row))
            sung = codes = decoded.tokens[b, target].cpu()
            soft, agreement = None, 0.0
            if embeddings is not None:
                sung = decoded.probabilities[b, target].cpu()
                soft = expected(sung, *embeddings)
            if hearing is not None:
                agreement = hearing(sung, scores[b][:, MIDI_COLUMN].long())
            found.append(_Take(self.model.filled(row.long(), codes), soft, agreement))
        return found


def _rows(values: Sequence[Any] | None, rows: Sequence[int]) -> list[Any] | None:
    return None if values is None else [values[k] for k in rows]


def _bytes(values: Tensor) -> bytes:
    return values.cpu().to(torch.int32).contiguous().numpy().tobytes()
