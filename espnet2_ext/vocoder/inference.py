"""Features to waveforms with a trained vocoder: batched, in parts of bounded length."""

import math
from argparse import Namespace
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor

from espnet2_ext.audio.mel import MelConfig
from espnet2_ext.checkpoint import build_strict, load_state
from espnet2_ext.device import autocast
from espnet2_ext.errors import UserError
from espnet2_ext.files import read_yaml
from espnet2_ext.vocoder.abs_vocoder import AbsVocoder
from espnet2_ext.vocoder.build import build_vocoder
from espnet2_ext.vocoder.f0_predictor import F0Predictor

CHUNK_FRAMES = 2000
"""Generated at a time: memory does not grow with the song beyond its samples."""

BATCH_FRAMES = 8000
"""Frames (with padding) of a batch of utterances."""


class VocoderInference:
    """A trained vocoder and its F0 predictor.

    The same features give the same samples, whether alone, in a batch or cut into parts.

    Args:
        vocoder: Generator of samples.
        f0_predictor: Used where no F0 is given; None when the vocoder uses no F0.
        device: Where to compute.
        dtype: Of the networks' products; filters and samples stay float32.
    """

    def __init__(
        self,
        vocoder: AbsVocoder,
        f0_predictor: F0Predictor | None = None,
        device: str = "cpu",
        dtype: str | None = None,
    ) -> None:
        self.vocoder = vocoder.eval().to(device)
        self.f0_predictor = f0_predictor.eval().to(device) if f0_predictor else None
        self.device = torch.device(device)
        self.dtype = dtype

    @classmethod
    def load(
        cls,
        config: str | Path,
        checkpoint: str | Path,
        device: str = "cpu",
        dtype: str | None = None,
    ) -> "VocoderInference":
        """Build from a run's ``config.yaml`` and a checkpoint (``.pth`` or ``.safetensors``).

        Raises:
            UserError: a file is missing or broken, or the two do not belong together.
        """
        args, state = Namespace(**read_yaml(config)), load_state(checkpoint)
        model = build_strict(lambda: build_vocoder(args, config), state, config, checkpoint)
        return cls(model.vocoder, model.f0_predictor, device, dtype)

    @property
    def mel(self) -> MelConfig:
        return self.vocoder.mel

    @torch.no_grad()
    def predict_f0(self, mel: Tensor) -> Tensor:
        """F0 (T,) in Hz, 0 where unvoiced, of one mel (T, n_mels).

        Raises:
            ValueError: this vocoder was trained without a predictor.
        """
        if self.f0_predictor is None:
            raise ValueError("this vocoder has no F0 predictor")
        parts = [
            self.f0_predictor(mel[None, first:last].to(self.device))[0, keep]
            for first, last, keep in _chunks(len(mel), self.f0_predictor.context_frames)
        ]
        return torch.cat(parts) if parts else mel.new_zeros(0)

    def generate(
        self, mels: Sequence[Tensor], f0s: Sequence[Tensor | None] | None = None
    ) -> list[Tensor]:
        """Generate one waveform per utterance.

        Args:
            mels: Natural-log mels, each (T, n_mels).
            f0s: Hz, each (T,) with 0 where unvoiced; None (or None for an utterance) predicts F0
                from the mel. Ignored by a vocoder that uses none.

        Returns:
            Samples, each (T * hop_length,), on the CPU.

        Raises:
            UserError: features of another shape than this vocoder's, or that are not finite; a
                network whose values float16 cannot hold.
        """
        given = [None] * len(mels) if f0s is None else list(f0s)
        if len(given) != len(mels):
            raise ValueError(f"{len(mels)} mels but {len(given)} F0s")
        inputs = [self._check(m, f, i) for i, (m, f) in enumerate(zip(mels, given, strict=True))]
        wavs: dict[int, Tensor] = {}
        for batch in self._batches([len(m) for m, _ in inputs]):
            generated = self._generate([inputs[i] for i in batch])
            wavs.update(zip(batch, generated, strict=True))
        return [wavs[i] for i in range(len(mels))]

    def _check(self, mel: Tensor, f0: Tensor | None, number: int) -> tuple[Tensor, Tensor]:
        place = f"utterance {number + 1} of the vocoder's input"
        if mel.dim() != 2 or mel.size(1) != self.mel.n_mels:
            raise UserError(place, f"{tuple(mel.shape)}", f"(T, {self.mel.n_mels})", "mel")
        if not torch.isfinite(mel).all():
            raise UserError(place, "values that are not finite", "log-mel", "mel")
        mel = mel.float()
        if not self.vocoder.uses_f0:
            return mel, mel.new_zeros(len(mel))
        if f0 is None:
            return mel, self.predict_f0(mel).cpu()
        if f0.shape != (len(mel),):
            raise UserError(place, f"{tuple(f0.shape)}", f"({len(mel)},), as its mel", "f0")
        if not torch.isfinite(f0).all() or (f0 < 0).any() or (f0 > self.mel.fs / 2).any():
            raise UserError(place, "values outside the audible", "Hz, 0 where unvoiced", "f0")
        return mel, f0.float()

    def _batches(self, lengths: list[int]) -> Iterator[list[int]]:
        """Indices by length; alone where padding would be heard or a song is long."""
        batch: list[int] = []
        for i in sorted(range(len(lengths)), key=lengths.__getitem__):
            full = (len(batch) + 1) * lengths[i] > BATCH_FRAMES or lengths[i] > CHUNK_FRAMES
            if batch and (full or not self.vocoder.exact_padding):
                yield batch
                batch = []
            batch.append(i)
        if batch:
            yield batch

    @torch.no_grad()
    def _generate(self, inputs: list[tuple[Tensor, Tensor]]) -> list[Tensor]:
        lengths = [len(mel) for mel, _ in inputs]
        T, H = max(lengths), self.mel.hop_length
        if T == 0:
            return [torch.zeros(0) for _ in inputs]
        silence = math.log(self.mel.floor)  # a log-mel of 0 is loud
        mel = torch.nn.utils.rnn.pad_sequence([m for m, _ in inputs], True, silence)
        f0 = torch.nn.utils.rnn.pad_sequence([f for _, f in inputs], batch_first=True)
        mask = torch.arange(T) < torch.tensor(lengths).unsqueeze(1)
        mel, f0, mask = (x.to(self.device) for x in (mel, f0, mask.float()))
        plan = self.vocoder.plan(f0)
        parts = []
        for first, last, keep in _chunks(T, self.vocoder.context_frames):
            with autocast(self.device, self.dtype):
                wav = self.vocoder(
                    mel[:, first:last],
                    f0[:, first:last],
                    mask[:, first:last],
                    None if plan is None else plan[:, first:last],
                    first,
                )
            if self.dtype == "float16" and not torch.isfinite(wav).all():
                found = "samples that are not finite, in float16"
                raise UserError("vocoder", found, "bfloat16 or float32", "--dtype")
            parts.append(wav[:, keep.start * H : keep.stop * H].float().cpu())
        wavs = torch.cat(parts, 1)
        return [wav[: length * H] for wav, length in zip(wavs, lengths, strict=True)]


def _chunks(n_frames: int, context: int) -> Iterator[tuple[int, int, slice]]:
    """Parts of a song: first and last frame with context, and what of the part to keep."""
    for start in range(0, n_frames, CHUNK_FRAMES):
        stop = min(start + CHUNK_FRAMES, n_frames)
        first, last = max(0, start - context), min(n_frames, stop + context)
        yield first, last, slice(start - first, stop - first)
