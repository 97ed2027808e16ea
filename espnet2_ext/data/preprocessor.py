"""ESPnet's preprocessor of every task: streams get their shape, are checked, and cropped alike."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from espnet2_ext.data.streams import LATENT, NOTE, SAMPLE, STREAMS, StreamSizes
from espnet2_ext.errors import UserError
from espnet2_ext.score.length import EXACT, shared_frames

PROMPT, SAMPLED, SOFT = "prompt", "sampled", "soft"
MAX_MISMATCH_FRAMES = 12
"""Audio and mel may differ by what the tokenize stage pads or cuts: 0.1 s, and rounding."""
_UNITS = {SAMPLE: "samples", NOTE: "notes"}


@dataclass(frozen=True)
class Crop:
    """Which part of an utterance is kept.

    Args:
        frames: Of the stream that the others follow; 0 keeps whole utterances.
        equal: All are made equally long: padded where they are shorter, and outside training cut
            from the middle. Else only training crops.
        padding: What fills streams up, where that is not 0.
    """

    frames: int = 0
    equal: bool = False
    padding: Mapping[str, float] = field(default_factory=dict)


class StreamPreprocessor:
    """Shape and check an utterance's streams, and crop them all at one place.

    In training, crops and then prompts are drawn from numpy's global generator.

    Args:
        sizes: What the streams are checked against.
        leader: The stream that others follow: each of a known clock lasts as long.
        clocks: Frames of a clock in a frame of `leader`; streams of others are not compared.
        crop: Which part is kept.
        max_prompt_frames: Longer prompts are cut: at a random place in training, else at the end.
            0 leaves them to the model.
        train: Crop and cut at random places.
        length_policy: Of ``sampled`` tokens that are not as many as ``codec_ssl``: "exact" refuses
            them; with "pad" or "trim" all streams are cut to the frames that both have.
    """

    def __init__(
        self,
        sizes: StreamSizes,
        leader: str,
        clocks: Mapping[str, int],
        crop: Crop | None = None,
        max_prompt_frames: int = 0,
        train: bool = True,
        length_policy: str = EXACT,
    ) -> None:
        self.sizes, self.leader, self.clocks = sizes, leader, dict(clocks)
        self.crop, self.max_prompt_frames = crop or Crop(), max_prompt_frames
        self.train, self.length_policy = train, length_policy

    def __call__(self, uid: str, data: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Streams of `uid` as they stand in the archives to what a batch is made of.

        Raises:
            UserError: naming the utterance and the stream that is none or does not fit the others.
        """
        data = {name: self.sizes.shaped(name, array, uid) for name, array in data.items()}
        if self.leader not in data:  # ESPnet's statistics read what has no iterator by itself first
            return data
        rates = {name: self._rate(name) for name in data}
        start, stop = self._part(self._shared(uid, data, rates))
        for name, rate in rates.items():
            if rate:
                data[name] = data[name][start * rate : stop * rate]
                if self.crop.equal:
                    data[name] = self._padded(name, data[name], (stop - start) * rate)
            elif name == PROMPT and self.max_prompt_frames:
                data[name] = self._cut(data[name])
        return data

    def _rate(self, name: str) -> int:
        """Frames of a stream in one of the leader; 0: it is not on its clock."""
        return self.clocks.get(STREAMS[name].clock, 0) if name in STREAMS else 0

    def _shared(self, uid: str, data: Mapping[str, np.ndarray], rates: Mapping[str, int]) -> int:
        """Frames of the leader that all streams have."""
        led, n_frames = self.leader, len(data[self.leader])
        shared, n_sung, sung = n_frames, n_frames, led
        if SAMPLED in data:
            sung, n_sung = SAMPLED, len(data[SAMPLED])
            shared = shared_frames(self.length_policy, n_sung, n_frames, uid, SAMPLED, led)
        for name, rate in rates.items():
            leader, n = (sung, n_sung) if name in (SAMPLED, SOFT) else (led, n_frames)
            clock = STREAMS[name].clock if rate else None
            slack = self._slack(clock, rate)
            if rate and abs(len(data[name]) - n * rate) > slack:
                unit = _UNITS.get(clock, "frames")
                raise UserError(uid, f"{len(data[name])} {unit}", f"{n * rate} as {leader}", name)
        return shared

    def _slack(self, clock: str | None, rate: int) -> int:
        """Frames by which a stream may differ from the leader's length."""
        if clock == SAMPLE:
            return MAX_MISMATCH_FRAMES * rate
        # a mel-VAE fills up the last latent frame
        return rate - 1 if STREAMS[self.leader].clock == LATENT else 0

    def _part(self, n_frames: int) -> tuple[int, int]:
        kept, equal = self.crop.frames, self.crop.equal
        if 0 < kept < n_frames and (self.train or equal):
            spare = n_frames - kept
            start = int(np.random.randint(spare + 1)) if self.train else spare // 2
            return start, start + kept
        return 0, kept if kept and equal else n_frames

    def _padded(self, name: str, array: np.ndarray, length: int) -> np.ndarray:
        missing = [(0, length - len(array))] + [(0, 0)] * (array.ndim - 1)
        return np.pad(array, missing, constant_values=self.crop.padding.get(name, 0))

    def _cut(self, prompt: np.ndarray) -> np.ndarray:
        start = 0
        if self.train and len(prompt) > self.max_prompt_frames:
            start = np.random.randint(len(prompt) - self.max_prompt_frames + 1)
        return prompt[start : start + self.max_prompt_frames]
