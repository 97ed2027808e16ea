"""Render a table of generated features to wav files, resumably."""

import hashlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import torch
from tqdm import tqdm

from espnet2_ext.audio.wav import write_wav
from espnet2_ext.errors import UserError
from espnet2_ext.files import read_scp, read_table, write_json, write_table
from espnet2_ext.vocoder.inference import VocoderInference
from espnet2_ext.vocoder.score_f0 import score_f0

N_SCORE_FIELDS = 4
MIDI_FIELD = 1
COMMENT = "synthetic singing, made by espnet2-ext"
VERSION = 2
"""Raised when the same features give other samples, so that wavs made before are not kept."""

Features = tuple[torch.Tensor, torch.Tensor | None]
"""Log-mel (T, n_mels), and F0 in Hz (T,) where the vocoder needs it."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class RenderInputs:
    """Kaldi tables of features.

    Args:
        mel_scp: Natural-log mels (T, n_mels).
        f0_scp: F0 in Hz (T,), 0 where unvoiced; needed by ``f0_source`` feats.
        score_scp: Frame scores (F * 4,); needed by ``f0_source`` score.
        f0_source: ``feats``, ``predictor`` (from the mel) or ``score`` (the written notes).
    """

    mel_scp: Path
    f0_scp: Path | None = None
    score_scp: Path | None = None
    f0_source: str = "predictor"

    def __post_init__(self) -> None:
        for source, scp, option in (
            ("feats", self.f0_scp, "--f0_scp"),
            ("score", self.score_scp, "--score_scp"),
        ):
            if self.f0_source == source and scp is None:
                raise UserError("--f0_source", source, f"{option} with it")


class Renderer:
    """Renders into ``output_dir/wav``; batches that are there from the same input are kept.

    Args:
        model: The vocoder.
        model_id: Text that changes with the vocoder (a hash of its checkpoint).
        inputs: Tables of features.
        output_dir: Gets ``wav/UTT.wav``, ``wav.scp`` and ``vocoder.json``.
    """

    def __init__(
        self, model: VocoderInference, model_id: str, inputs: RenderInputs, output_dir: Path
    ) -> None:
        self.model, self.model_id, self.inputs = model, model_id, inputs
        self.output_dir = output_dir
        self.utts = list(read_table(inputs.mel_scp))
        self.mels = read_scp(inputs.mel_scp)
        self.f0s = None if inputs.f0_scp is None else read_scp(inputs.f0_scp)
        self.scores = None if inputs.score_scp is None else read_scp(inputs.score_scp)

    def run(self, shard: int = 1, num_shards: int = 1, batch_size: int = 8) -> None:
        """Render every `num_shards`-th batch, starting with number `shard` (from 1).

        An utterance's last bits depend on its batch, so batches are the same however many shards
        there are and whatever a killed run had rendered.
        """
        mine = self._batches(batch_size)[shard - 1 :: num_shards]
        n_utts, n_kept = sum(map(len, mine)), 0
        with tqdm(total=n_utts, desc="vocoder", mininterval=10) as bar:
            for utts in mine:
                features = [self._features(utt) for utt in utts]
                comment = self._comment(features)
                if all(_comment(self._path(utt)) == comment for utt in utts):
                    n_kept += len(utts)
                else:
                    self._render(utts, features, comment)
                bar.update(len(utts))
        logger.info(f"{self.output_dir}: {n_utts} utterances, {n_kept} were there already")

    def merge(self, batch_size: int = 8) -> None:
        """Write ``wav.scp`` and ``vocoder.json`` when every utterance has been rendered."""
        for utts in self._batches(batch_size):
            comment = self._comment([self._features(utt) for utt in utts])
            for utt in utts:
                if _comment(self._path(utt)) != comment:
                    raise UserError(self.output_dir, f"{utt} not rendered", "all shards finished")
        table = {utt: str(self._path(utt).resolve()) for utt in self.utts}
        write_table(self.output_dir / "wav.scp", table)
        write_json(
            self.output_dir / "vocoder.json",
            {"f0_source": self.inputs.f0_source if self.model.vocoder.uses_f0 else "mel"},
        )

    def _features(self, utt: str) -> Features:
        mel = torch.from_numpy(np.array(self._read(self.mels, utt, self.inputs.mel_scp)))
        if mel.dim() != 2 or mel.size(1) != self.model.mel.n_mels:
            expected = f"(T, {self.model.mel.n_mels})"
            raise UserError(f"{self.inputs.mel_scp}: {utt}", f"{tuple(mel.shape)}", expected)
        if not self.model.vocoder.uses_f0 or self.inputs.f0_source == "predictor":
            return mel, None
        f0 = (
            self.model.predict_f0(mel).cpu()
            if self.f0s is None
            else torch.from_numpy(np.array(self._read(self.f0s, utt, self.inputs.f0_scp)))
        )
        if f0.shape != mel.shape[:1]:
            found, expected = f"{tuple(f0.shape)}", f"({len(mel)},), as its mel"
            raise UserError(f"{self.inputs.f0_scp}: {utt}", found, expected)
        if self.inputs.f0_source == "score":
            frames = np.array(self._read(self.scores, utt, self.inputs.score_scp))
            midi = torch.from_numpy(frames.reshape(-1, N_SCORE_FIELDS)[:, MIDI_FIELD]).long()
            mel_config = self.model.mel
            try:
                f0 = score_f0(midi, f0 > 0, mel_config.frames_per_token, mel_config.fps)
            except ValueError as error:
                raise UserError(f"{self.inputs.score_scp}: {utt}", str(error)) from None
        return mel, f0

    def _batches(self, batch_size: int) -> list[list[str]]:
        return [self.utts[k : k + batch_size] for k in range(0, len(self.utts), batch_size)]

    def _render(self, utts: list[str], features: list[Features], comment: str) -> None:
        wavs = self.model.generate([mel for mel, _ in features], [f0 for _, f0 in features])
        for utt, wav in zip(utts, wavs, strict=True):
            write_wav(self._path(utt), wav.numpy(), self.model.mel.fs, comment)

    def _comment(self, features: list[Features]) -> str:
        """Comment of a batch's wavs, with the hash of all that they are made from."""
        content = hashlib.sha256(f"{VERSION} {self.model_id}".encode())
        for mel, f0 in features:
            content.update(f"{len(mel)} {f0 is not None}".encode() + mel.numpy().tobytes())
            content.update(b"" if f0 is None else f0.numpy().tobytes())
        return f"{COMMENT}; input {content.hexdigest()[:16]}"

    def _path(self, utt: str) -> Path:
        return self.output_dir / "wav" / f"{utt}.wav"

    @staticmethod
    def _read(table: Mapping[str, np.ndarray], utt: str, path: Path | None) -> np.ndarray:
        try:
            return table[utt]
        except KeyError:
            raise UserError(f"{path}", "no such utterance", utt) from None


def _comment(path: Path) -> str | None:
    """The comment of a wav file; None when there is no readable one."""
    try:
        with soundfile.SoundFile(path) as sound:
            return sound.comment
    except (soundfile.SoundFileError, OSError):
        return None
