"""The vocoder's step: mel, and F0 from one of three places, to samples."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from espnet2_ext.data.streams import StreamSizes
from espnet2_ext.errors import UserError
from espnet2_ext.files import write_json
from espnet2_ext.inference.step import Columns, Step
from espnet2_ext.score.frames import MIDI_COLUMN
from espnet2_ext.vocoder.inference import VocoderInference
from espnet2_ext.vocoder.score_f0 import score_f0

F0_SOURCES = ("feats", "predictor", "score")
VERSION = 2
"""Raised when the same features give other samples, so that wavs made before are not kept."""


@dataclass(frozen=True)
class VocoderStep(Step):
    """Samples of features.

    Args:
        model: The vocoder.
        f0_source: ``feats`` (the stream f0), ``predictor`` (from the mel) or ``score`` (the written
            notes where the mel is voiced).
        chunk_utts: Utterances of a batch, on which the last bits of its samples depend.
    """

    reads = ("mel",)
    may_read = ("f0", "score_frames")
    writes = ("wav",)

    model: VocoderInference
    f0_source: str = "feats"
    chunk_utts: int = 8

    def check(self, tokenizers: Any, vocabulary: Any, place: str) -> None:
        tokenizers.mel.require_same(self.model.mel, place)

    @property
    def sizes(self) -> StreamSizes:
        return StreamSizes(n_mels=self.model.mel.n_mels)

    def wants(self, name: str) -> bool:
        wanted = {"feats": "f0", "score": "score_frames"}
        return self.model.vocoder.uses_f0 and name == wanted.get(self.f0_source)

    def digest(self, made_by: str, names: Sequence[str], columns: Columns) -> str:
        """It signs the wavs too, so it does not depend on their names."""
        total = hashlib.sha256(f"{VERSION} {made_by}".encode())
        for k, mel in enumerate(columns["mel"]):
            others = [values[k] for name, values in columns.items() if name != "mel"]
            total.update(f"{len(mel)} {bool(others)}".encode() + mel.numpy().tobytes())
            for other in others:
                total.update(other.numpy().tobytes())
        return total.hexdigest()[:16]

    def __call__(self, columns: Columns, names: Sequence[str]) -> Columns:
        mels = columns["mel"]
        f0s = columns.get("f0", [None] * len(mels))
        if self.f0_source == "score" and self.model.vocoder.uses_f0:
            rows = zip(mels, columns["score_frames"], names, strict=True)
            f0s = [self._of_score(mel, score, name) for mel, score, name in rows]
        for mel, f0, name in zip(mels, f0s, names, strict=True):
            if f0 is not None and len(f0) != len(mel):
                raise UserError(name, f"({len(f0)},)", f"({len(mel)},), as its mel", "f0")
        wavs = self.model.generate(mels, f0s)
        return {"wav": [(wav, self.model.mel.fs) for wav in wavs]}

    def _of_score(self, mel: Tensor, score: Tensor, name: str) -> Tensor:
        clock, voiced = self.model.mel, self.model.predict_f0(mel).cpu() > 0
        try:
            return score_f0(score[:, MIDI_COLUMN], voiced, clock.frames_per_token, clock.fps)
        except ValueError as error:
            raise UserError(name, str(error), field="score_frames") from None

    def finish(self, tables: Any, output_dir: Path) -> None:
        source = self.f0_source if self.model.vocoder.uses_f0 else "mel"
        write_json(output_dir / "vocoder.json", {"f0_source": source})
