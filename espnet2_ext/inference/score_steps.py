"""Steps before any sound: phone times of a score, and its frames."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from espnet2_ext.data.streams import StreamSizes
from espnet2_ext.duration.inference import MEDIAN, DurationInference, TimingSampling
from espnet2_ext.inference.step import Columns, Step, check_phones
from espnet2_ext.score.frames import expand
from espnet2_ext.tokenizer.tokenizers import Tokenizers


@dataclass(frozen=True)
class DurationStep(Step):
    """Scores (`MusicScore`) with the phone times that a model predicts.

    Args:
        model: The phone-duration model.
        sampling: How it draws performances.
    """

    reads = ("score",)
    writes = ("score",)

    model: DurationInference
    sampling: TimingSampling = MEDIAN

    @property
    def options(self) -> str:
        return str(self.sampling)

    def with_seed(self, seed: int) -> "DurationStep":
        return replace(self, sampling=replace(self.sampling, seed=seed))

    @property
    def sizes(self) -> StreamSizes:
        return StreamSizes()

    def check(self, tokenizers: Any, vocabulary: Any, place: str) -> None:
        check_phones(list(self.model.phone_ids), tokenizers.phones, place)

    def __call__(self, columns: Columns, names: Sequence[str]) -> Columns:
        rows = zip(columns["score"], names, strict=True)
        return {"score": [self.model.generate(score, name, self.sampling) for score, name in rows]}


@dataclass(frozen=True)
class FramesStep(Step):
    """Scores with phone times frame by frame; also as svs_lb tells them, if it rounds otherwise."""

    reads = ("score",)
    writes = ("score_frames", "svs_frames")

    tokenizers: Tokenizers

    @property
    def sizes(self) -> StreamSizes:
        return StreamSizes()

    def __call__(self, columns: Columns, names: Sequence[str]) -> Columns:
        phone_ids = {phone: k for k, phone in enumerate(self.tokenizers.phones)}
        fps = self.tokenizers.mel.fps
        frames = {"score_frames": [expand(score, phone_ids, fps) for score in columns["score"]]}
        if self.tokenizers.svs_lb.rounding != "cumulative":
            frames["svs_frames"] = [self.tokenizers.label_frames(s) for s in columns["score"]]
        return {
            name: [torch.from_numpy(f.stacked()).long() for f in of_scores]
            for name, of_scores in frames.items()
        }
