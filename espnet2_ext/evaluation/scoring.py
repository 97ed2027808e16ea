"""Score the utterances of a system against real recordings: one JSON file an utterance.

What it costs is WORLD: harvest takes a quarter of the audio's duration on each side. So features
of the references are kept on disk under a key of their content, and the VERSA metrics can be
limited to a fixed, seeded subset of a split; how many utterances they rest on stands in every
table.
"""

import hashlib
import json
import logging
import math
import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from espnet2_ext.audio.wav import read_wav
from espnet2_ext.digest import digest_files
from espnet2_ext.errors import UserError
from espnet2_ext.files import atomic_path, parse_config, read_json, read_yaml, write_json
from espnet2_ext.judges.f0 import EXTRACTORS, FPS
from espnet2_ext.judges.phone_recognizer import PhoneRecognizer
from espnet2_ext.judges.singer_embedder import SingerEmbedder
from espnet2_ext.metrics.espnet_svs import espnet_features, espnet_scores
from espnet2_ext.metrics.mos import MosPredictor
from espnet2_ext.metrics.musical import musical_scores, sung_finals
from espnet2_ext.metrics.per import phone_errors, sung_phones
from espnet2_ext.metrics.similarity import SingerCentroids
from espnet2_ext.metrics.speaker import SpeakerModel, cosine
from espnet2_ext.metrics.versa_f0_mcd import (
    WorldFeatures,
    mcd_dtw,
    mcd_f0,
    mcd_f0_dtw,
    world_features,
)
from espnet2_ext.one_thread import one_thread
from espnet2_ext.score.music_score import MusicScore
from espnet2_ext.workers import worker_pool

VERSION = 1
"""Part of every key: raise it when a metric changes, so that no stale score survives."""


@dataclass(frozen=True)
class ScoringConfig:
    """Settings of scoring, as in ``conf/scoring.yaml``.

    Args:
        f0_extractor: Judge of the musical metrics, a key of `judges.f0.EXTRACTORS`.
        world_utts: Utterances of a split that the WORLD metrics take (seeded choice); None: all.
        world_utts_of: The same for single splits.
        f0_dtw: Also VERSA's F0 metrics with DTW.
        espnet_svs: Also what ESPnet's svs1 reports (on the same utterances).
        speaker_model: Also the cosine of ESPnet-SPK embeddings to the reference: ``owner/name`` of
            the model zoo, or a folder; empty: not asked for.
        seed: Of the choice.
        phone_recognizer: ``ctc`` for the recipe's own, or a Hugging Face CTC model.
        rename_phones: Symbols of that model to ours.
        fit_recognizer: Options of `judges.fitting.FitConfig`.
        fit_embedder: Options of `judges.fitting.EmbedderFitConfig`.
        centroid_utts: Real utterances a singer's centroid is made of.
        dev_utts: Utterances of dev on which fitting reports its PER.
        qualify_utts: Recordings with known F0 on which the F0 extractor must qualify.
    """

    f0_extractor: str = "swift"
    world_utts: int | None = 12
    world_utts_of: Mapping[str, int | None] = field(default_factory=dict)
    f0_dtw: bool = False
    espnet_svs: bool = False
    speaker_model: str = ""
    seed: int = 0
    phone_recognizer: str = "ctc"
    rename_phones: Mapping[str, str] = field(default_factory=dict)
    fit_recognizer: Mapping[str, Any] = field(default_factory=dict)
    fit_embedder: Mapping[str, Any] = field(default_factory=dict)
    centroid_utts: int = 20
    dev_utts: int = 30
    qualify_utts: int = 30

    def __post_init__(self) -> None:
        if self.f0_extractor not in EXTRACTORS:
            raise ValueError(
                f"f0_extractor {self.f0_extractor!r} is not one of {', '.join(EXTRACTORS)}"
            )

    @classmethod
    def load(cls, path: str | Path | None) -> "ScoringConfig":
        """Read a YAML file; the defaults where there is none."""
        return cls() if path is None else parse_config(cls, read_yaml(path), path)

    def world_limit(self, split: str) -> int | None:
        return self.world_utts_of.get(split, self.world_utts)


@dataclass
class Judges:
    """Everything that measures, and a fingerprint of it."""

    f0: Callable[[np.ndarray, int], np.ndarray]
    recognizer: PhoneRecognizer
    embedder: SingerEmbedder
    centroids: SingerCentroids
    mos: Mapping[str, MosPredictor]
    fingerprint: str
    speaker: SpeakerModel | None = None


@dataclass(frozen=True)
class Task:
    """One utterance to score."""

    utt: str
    hyp: str
    ref: str
    score: MusicScore
    singer: str
    with_world: bool


class FeatureCache:
    """WORLD features on disk, keyed by the audio file's content."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)

    def world(self, wav: np.ndarray, fs: int, digest: str) -> WorldFeatures:
        """Read features, or compute and keep them."""
        path = self.folder / f"world{VERSION}_{digest}.npz"
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


def world_subset(utts: Iterable[str], limit: int | None, seed: int) -> set[str]:
    """The utterances that get WORLD metrics: the same for every system of a split."""
    utts = sorted(utts)
    if limit is None or limit >= len(utts):
        return set(utts)
    return set(random.Random(seed).sample(utts, limit))


def score_utterance(
    task: Task,
    judges: Judges,
    cache: FeatureCache,
    f0_dtw: bool = False,
    espnet_svs: bool = False,
) -> dict[str, Any]:
    """All metrics of one utterance, with the counts that pooling needs.

    Values that are not defined are None; `f0_length` says by how many frames of 10 ms the
    hypothesis is longer.
    """
    ref, fs = read_wav(task.ref)
    ref_digest, hyp_digest = digest_of(task.ref), digest_of(task.hyp)
    same = ref_digest == hyp_digest
    hyp = ref if same else read_wav(task.hyp, fs)[0]
    f0_ref = judges.f0(ref, fs)
    f0_hyp = f0_ref if same else judges.f0(hyp, fs)
    finals = sung_finals(task.score, len(f0_ref), FPS)
    result: dict[str, Any] = {"utt": task.utt, **asdict(musical_scores(f0_hyp, f0_ref, finals))}
    result["f0_length"] = len(f0_hyp) - len(f0_ref)
    result["n_f0"] = len(f0_ref)
    if task.with_world:
        world_ref = cache.world(ref, fs, ref_digest)
        world_hyp = world_ref if same else world_features(hyp, fs)
        result |= _world_metrics(world_hyp, world_ref, f0_dtw)
        if espnet_svs:
            espnet = espnet_scores(espnet_features(hyp, fs), espnet_features(ref, fs))
            result |= {f"espnet_{name}": value for name, value in asdict(espnet).items()}
    heard = judges.recognizer.recognize(hyp, fs)
    reference = sung_phones(task.score)
    counts = phone_errors(heard, reference)
    result |= {
        "per": counts.rate, "phone_errors": counts.errors, "n_phones": counts.n_ref,
        "heard": " ".join(heard), "reference": " ".join(reference),
    }  # fmt: skip
    voice = judges.centroids.compare(judges.embedder.embed(hyp, fs), task.singer, task.utt)
    result |= {
        "singer": task.singer, "singer_sim": voice.cosine, "singer_margin": voice.margin,
        "singer_acc": float(voice.first), "singer_nearest": voice.nearest,
    }  # fmt: skip
    if judges.speaker is not None and judges.speaker.embed is not None:
        voices = [judges.speaker.embed(_resample(wav, fs)) for wav in (hyp, ref)]
        result["spk_sim"] = cosine(*voices)
    for name, mos in judges.mos.items():
        if mos.predict is not None:
            result[name] = mos.predict(_resample(hyp, fs))
    return {
        key: None if isinstance(value, float) and not math.isfinite(value) else value
        for key, value in result.items()
    }


def _world_metrics(hyp: WorldFeatures, ref: WorldFeatures, f0_dtw: bool) -> dict[str, Any]:
    result: dict[str, Any] = {"mcd_db": mcd_dtw(hyp, ref)}
    try:
        plain = mcd_f0(hyp, ref)
    except ValueError as error:
        result["world_note"] = str(error)
    else:
        result |= {
            "f0_rmse_hz": plain.f0_rmse_hz, "f0_corr_versa": plain.f0_corr,
            "mcd_db_nodtw": plain.mcd_db,
        }  # fmt: skip
    if f0_dtw:
        warped = mcd_f0_dtw(hyp, ref)
        result |= {"f0_rmse_hz_dtw": warped.f0_rmse_hz, "f0_corr_versa_dtw": warped.f0_corr}
    return result


def _resample(wav: np.ndarray, fs: int) -> np.ndarray:
    import librosa

    return librosa.resample(wav, orig_sr=fs, target_sr=16000) if fs != 16000 else wav


_worker: tuple[Judges, FeatureCache, tuple[bool, bool], Path] | None = None


def _init_worker(
    judges: Judges, cache: FeatureCache, options: tuple[bool, bool], folder: Path
) -> None:
    global _worker
    _worker = (judges, cache, options, folder)


def _run(task: Task) -> str:
    judges, cache, options, folder = _worker
    write_json(
        folder / f"{task.utt}.json",
        {"key": _key(task, judges, *options)} | score_utterance(task, judges, cache, *options),
    )
    return task.utt


def _key(task: Task, judges: Judges, f0_dtw: bool, espnet_svs: bool) -> str:
    parts = (VERSION, judges.fingerprint, digest_of(task.hyp), digest_of(task.ref),
             repr(task.score), task.singer, task.with_world, f0_dtw,
             sorted(k for k, m in judges.mos.items() if m.predict))  # fmt: skip
    # Asked for or not, as it came later: scores kept from before stay valid.
    if espnet_svs:
        parts += ("espnet_svs",)
    if judges.speaker is not None and judges.speaker.embed is not None:
        parts += (f"speaker {judges.speaker.name}",)
    return hashlib.sha256(json.dumps(parts, default=str).encode()).hexdigest()[:20]


@one_thread()
def score_all(
    tasks: list[Task],
    judges: Judges,
    folder: Path,
    cache_dir: Path,
    nj: int = 1,
    f0_dtw: bool = False,
    espnet_svs: bool = False,
) -> list[dict[str, Any]]:
    """Score tasks into ``folder/UTT.json``, skipping those whose inputs have not changed.

    Args:
        nj: Processes, one thread each.

    Returns:
        The utterances' results in the order of `tasks`.
    """
    from tqdm import tqdm

    folder.mkdir(parents=True, exist_ok=True)
    cache = FeatureCache(cache_dir)
    wanted = {task.utt for task in tasks}
    for stale in folder.glob("*.json"):
        if stale.stem not in wanted:
            stale.unlink()
    options = (f0_dtw, espnet_svs)
    todo = []
    for task in tasks:
        path = folder / f"{task.utt}.json"
        if not (path.is_file() and _kept_key(path) == _key(task, judges, *options)):
            todo.append(task)
    logging.info("%d utterances, %d of them scored before", len(tasks), len(tasks) - len(todo))
    # WORLD dominates: start with it, so that the last process does not work alone.
    todo.sort(key=lambda task: not task.with_world)
    bar = {"total": len(todo), "unit": "utt", "disable": None, "leave": False}
    if nj == 1 or len(todo) < 2:
        _init_worker(judges, cache, options, folder)
        for task in tqdm(todo, **bar):
            _run(task)
    else:
        begin = {"initializer": _init_worker, "initargs": (judges, cache, options, folder)}
        with worker_pool(nj, "fork", **begin) as pool:
            for _ in tqdm(pool.map(_run, todo), **bar):
                pass
    return [read_json(folder / f"{task.utt}.json") for task in tasks]


def _kept_key(path: Path) -> str | None:
    try:
        return read_json(path).get("key")
    except UserError:
        return None
