"""An utterance as it is sung and as it was recorded, with what several measures hear in both."""

import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from espnet2_ext.audio.wav import read_wav
from espnet2_ext.digest import digest_files
from espnet2_ext.evaluation.written_f0 import WRITTEN_VERSION, written_f0
from espnet2_ext.files import atomic_path
from espnet2_ext.judges.attributes import AttributeJudge
from espnet2_ext.judges.f0 import FPS, Extractor, ceiling_of, frame_times
from espnet2_ext.judges.phone_recognizer import PhoneRecognizer
from espnet2_ext.judges.singer_embedder import SingerEmbedder
from espnet2_ext.judges.whisper import WordRecognizer
from espnet2_ext.metrics.mos import MosPredictor
from espnet2_ext.metrics.musical import SungFinals, sung_finals
from espnet2_ext.metrics.similarity import SingerCentroids
from espnet2_ext.metrics.speaker import SpeakerModel
from espnet2_ext.metrics.versa_f0_mcd import (
    FRAME_PERIOD_MS,
    F0Mcd,
    WorldFeatures,
    mcd_f0,
    world_features,
)
from espnet2_ext.score.music_score import MusicScore

WORLD_VERSION = 2
"""Part of the names of kept features: raise it when they change."""
SPEECH_FS = 16000
"""Of models that were trained on speech (Hz)."""


@dataclass
class Judges:
    """Everything that measures, and a fingerprint of it.

    Models that others trained are by the metric that they give; each says why it is not there.
    """

    f0: Extractor
    recognizer: PhoneRecognizer
    embedder: SingerEmbedder
    centroids: SingerCentroids
    mos: Mapping[str, MosPredictor]
    fingerprint: str
    speakers: Mapping[str, SpeakerModel] = field(default_factory=dict)
    words: Mapping[str, WordRecognizer] = field(default_factory=dict)
    attributes: AttributeJudge | None = None
    melody: Extractor | None = None

    @property
    def learned(self) -> dict[str, SpeakerModel | MosPredictor | WordRecognizer]:
        """All of them."""
        return {**self.mos, **self.speakers, **self.words}

    def has(self, metric: str) -> bool:
        """Whether there is a model that gives a metric."""
        return not getattr(self.learned.get(metric), "reason", "none")

    @property
    def at_speech_rate(self) -> bool:
        """Whether there is a model that hears audio at `SPEECH_FS`."""
        return any(map(self.has, self.learned))


@dataclass(frozen=True)
class Task:
    """One utterance to score.

    Args:
        utt: Its id.
        hyp: Wav of the system; None: there is none, the F0 of the score is what is measured.
        ref: Wav of the recording.
        score: What both sing, with the recording's phones.
        singer: Of the recording.
        with_world: Whether metrics that take WORLD's analysis are measured of it.
        attributes: What it is described by.
    """

    utt: str
    hyp: str | None
    ref: str
    score: MusicScore
    singer: str
    with_world: bool
    attributes: Mapping[str, Any] = field(default_factory=dict)


class FeatureCache:
    """WORLD features on disk, keyed by the audio file's content."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)

    def world(self, wav: np.ndarray, fs: int, digest: str) -> WorldFeatures:
        """Read features, or compute and keep them."""
        path = self.folder / f"world{WORLD_VERSION}_{digest}.npz"
        if path.is_file():
            try:
                with np.load(path, allow_pickle=False) as kept:
                    return WorldFeatures(kept["f0"], kept["mcep"], kept["power_db"])
            except (OSError, ValueError, KeyError):
                logging.warning("%s is damaged: computed again", path)
        features = world_features(wav, fs)
        with atomic_path(path) as part:
            np.savez(part, **asdict(features))
        return features


def digest_of(path: str | Path) -> str:
    """Short content hash of a file."""
    return digest_files(path)[:20]


@dataclass
class Rendition:
    """One utterance to measure; audio and features are read when a measure asks for them.

    Args:
        task: What is compared.
        judges: What measures.
        cache: WORLD features of recordings.
        f0_dtw: Also VERSA's F0 metrics with DTW.
        espnet_svs: Also what ESPnet's svs1 reports.
        lsd: Also the log-spectral distance.
    """

    task: Task
    judges: Judges
    cache: FeatureCache
    f0_dtw: bool = False
    espnet_svs: bool = False
    lsd: bool = False

    @cached_property
    def digests(self) -> tuple[str, str]:
        """Of the recording's file and of the rendition's."""
        hyp = self.task.hyp
        of_hyp = digest_of(hyp) if hyp is not None else f"written{WRITTEN_VERSION}"
        return digest_of(self.task.ref), of_hyp

    @property
    def sounds(self) -> bool:
        """Whether there is audio of it."""
        return self.task.hyp is not None

    @property
    def same(self) -> bool:
        """Whether the recording itself is measured."""
        return self.digests[0] == self.digests[1]

    @cached_property
    def _recording(self) -> tuple[np.ndarray, int]:
        return read_wav(self.task.ref)

    @property
    def ref(self) -> np.ndarray:
        return self._recording[0]

    @property
    def fs(self) -> int:
        return self._recording[1]

    @cached_property
    def hyp(self) -> np.ndarray:
        return self.ref if self.same else read_wav(self.task.hyp, self.fs)[0]

    @cached_property
    def f0_ref(self) -> np.ndarray:
        return self._f0_of(self.ref)

    def _f0_of(self, wav: np.ndarray) -> np.ndarray:
        return self.judges.f0(wav, self.fs, ceiling_of(self.task.score))

    @cached_property
    def f0_hyp(self) -> np.ndarray:
        if not self.sounds:
            times = frame_times(len(self.ref), self.fs)
            return written_f0(self.task.score, times, FPS)
        return self.f0_ref if self.same else self._f0_of(self.hyp)

    @cached_property
    def melody_hyp(self) -> np.ndarray:
        """F0 of the singer, within whatever else sounds."""
        return self.judges.melody(self.hyp, self.fs, ceiling_of(self.task.score))

    @cached_property
    def finals(self) -> SungFinals:
        return sung_finals(self.task.score, len(self.f0_ref), FPS)

    @cached_property
    def world_ref(self) -> WorldFeatures:
        return self.cache.world(self.ref, self.fs, self.digests[0])

    @cached_property
    def world_hyp(self) -> WorldFeatures:
        return self.world_ref if self.same else world_features(self.hyp, self.fs)

    @cached_property
    def world_f0_hyp(self) -> np.ndarray:
        if self.sounds:
            return self.world_hyp.f0
        fps = round(1000 / FRAME_PERIOD_MS)
        return written_f0(self.task.score, np.arange(len(self.world_ref.f0)) / fps, fps)

    @cached_property
    def versa(self) -> F0Mcd | str:
        """VERSA's metrics frame by frame, or why they are not defined."""
        try:
            return mcd_f0(self.world_hyp, self.world_ref)
        except ValueError as error:  # too different in length
            return str(error)

    @cached_property
    def at_speech_rate(self) -> tuple[np.ndarray, np.ndarray]:
        """Rendition and recording at 16 kHz."""
        import librosa

        if self.fs == SPEECH_FS:
            return self.hyp, self.ref
        hyp, ref = (
            librosa.resample(wav, orig_sr=self.fs, target_sr=SPEECH_FS)
            for wav in (self.hyp, self.ref)
        )
        return hyp, ref
