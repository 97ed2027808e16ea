"""Score the utterances of a system against real recordings: one JSON file an utterance.

What it costs is WORLD: harvest takes a quarter of the audio's duration on each side. So features
of the references are kept on disk under a key of their content, and the VERSA metrics can be
limited to a fixed, seeded subset of a split; how many utterances they rest on stands in every
table.
"""

import functools
import hashlib
import json
import logging
import math
import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from espnet2_ext.errors import UserError
from espnet2_ext.evaluation.bands import warn_of_bands
from espnet2_ext.evaluation.measures import MEASURES
from espnet2_ext.evaluation.rendition import FeatureCache, Judges, Rendition, Task
from espnet2_ext.evaluation.silence import warn_of_silence
from espnet2_ext.files import parse_config, read_json, read_yaml, write_json
from espnet2_ext.judges.f0 import EXTRACTORS
from espnet2_ext.judges.learned import LEARNED
from espnet2_ext.one_thread import one_thread
from espnet2_ext.workers import worker_pool


@dataclass(frozen=True)
class ScoringConfig:
    """Settings of scoring, as in ``conf/scoring.yaml``.

    Args:
        f0_extractor: Judge of the musical metrics, a key of `judges.f0.EXTRACTORS`.
        world_utts: Utterances of a split that the WORLD metrics take (seeded choice); None: all.
        world_utts_of: The same for single splits.
        f0_dtw: Also VERSA's F0 metrics with DTW.
        espnet_svs: Also what ESPnet's svs1 reports (on the same utterances).
        lsd: Also the log-spectral distance, of all utterances.
        speaker_model: Also the cosine of ESPnet-SPK embeddings to the reference: ``owner/name`` of
            the model zoo, or a folder; empty: not asked for.
        judges: More models that only measure: keys of `judges.learned.LEARNED`, each with a
            folder, ``owner/name`` on the hub or ``owner/name@revision``; empty: its default.
        seed: Of the choice.
        phone_recognizer: ``ctc`` for the recipe's own, or a Hugging Face CTC model.
        rename_phones: Symbols of that model to ours.
        fit_recognizer: Options of `judges.fitting.FitConfig`.
        fit_embedder: Options of `judges.fitting.EmbedderFitConfig`.
        fit_attributes: Options of `judges.fitting_attributes.AttributeFitConfig`, where the
            recordings have attributes.
        fit_melody: Options of `judges.fitting_melody.MelodyFitConfig`, where songs have stems.
        per_bar: PER on real dev audio above which the recogniser is no judge.
        centroid_utts: Real utterances a singer's centroid is made of.
        dev_utts: Utterances of dev on which fitting reports its PER.
        qualify_utts: Recordings with known F0 on which the F0 extractor must qualify.
    """

    f0_extractor: str = "swift"
    world_utts: int | None = 12
    world_utts_of: Mapping[str, int | None] = field(default_factory=dict)
    f0_dtw: bool = False
    espnet_svs: bool = False
    lsd: bool = False
    speaker_model: str = ""
    judges: Mapping[str, str] = field(default_factory=dict)
    seed: int = 0
    phone_recognizer: str = "ctc"
    rename_phones: Mapping[str, str] = field(default_factory=dict)
    fit_recognizer: Mapping[str, Any] = field(default_factory=dict)
    fit_embedder: Mapping[str, Any] = field(default_factory=dict)
    fit_attributes: Mapping[str, Any] = field(default_factory=dict)
    fit_melody: Mapping[str, Any] = field(default_factory=dict)
    per_bar: float = 0.05
    centroid_utts: int = 20
    dev_utts: int = 30
    qualify_utts: int = 30

    def __post_init__(self) -> None:
        if self.f0_extractor not in EXTRACTORS:
            raise ValueError(
                f"f0_extractor {self.f0_extractor!r} is not one of {', '.join(EXTRACTORS)}"
            )
        if unknown := sorted(set(self.judges) - set(LEARNED)):
            raise ValueError(f"judges: {unknown[0]!r} is not one of {', '.join(LEARNED)}")

    @classmethod
    def load(cls, path: str | Path | None) -> "ScoringConfig":
        """Read a YAML file; the defaults where there is none."""
        return cls() if path is None else parse_config(cls, read_yaml(path), path)

    def world_limit(self, split: str) -> int | None:
        return self.world_utts_of.get(split, self.world_utts)


def world_subset(utts: Iterable[str], limit: int | None, seed: int) -> set[str]:
    """The utterances that get WORLD metrics: the same for every system of a split."""
    utts = sorted(utts)
    if limit is None or limit >= len(utts):
        return set(utts)
    return set(random.Random(seed).sample(utts, limit))


def score_utterance(rendition: Rendition) -> dict[str, Any]:
    """What every measure that is asked for says of one utterance; None where it is not defined."""
    result: dict[str, Any] = {"utt": rendition.task.utt}
    for measure in MEASURES:
        if measure.applies(rendition):
            result |= measure.compute(rendition)
    return {
        key: None if isinstance(value, float) and not math.isfinite(value) else value
        for key, value in result.items()
    }


_worker: tuple[Callable[[Task], Rendition], Path] | None = None


def _init_worker(render: Callable[[Task], Rendition], folder: Path) -> None:
    global _worker
    _worker = (render, folder)


def _run(task: Task) -> None:
    render, folder = _worker
    rendition = render(task)
    write_json(folder / f"{task.utt}.json", {"key": _key(rendition)} | score_utterance(rendition))


def _key(rendition: Rendition) -> str:
    task, judges = rendition.task, rendition.judges
    parts = (
        judges.fingerprint, rendition.digests, repr(task.score), task.singer,
        *([sorted(map(str, task.attributes.items()))] if task.attributes else ()),
        sorted(f"{m.name} {m.version}" for m in MEASURES if m.applies(rendition)),
        sorted((metric, model.name) for metric, model in judges.learned.items()
               if model.name and judges.has(metric)),
    )  # fmt: skip
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
    lsd: bool = False,
) -> list[dict[str, Any]]:
    """Score tasks into ``folder/UTT.json``, skipping those whose inputs have not changed.

    Args:
        nj: Processes, one thread each.

    Returns:
        The utterances' results in the order of `tasks`.
    """
    from tqdm import tqdm

    folder.mkdir(parents=True, exist_ok=True)
    wanted = {task.utt for task in tasks}
    for stale in folder.glob("*.json"):
        if stale.stem not in wanted:
            stale.unlink()
    cache = FeatureCache(cache_dir)
    render = functools.partial(
        Rendition, judges=judges, cache=cache, f0_dtw=f0_dtw, espnet_svs=espnet_svs, lsd=lsd
    )
    todo = [t for t in tasks if _kept_key(folder / f"{t.utt}.json") != _key(render(t))]
    logging.info("%d utterances, %d of them scored before", len(tasks), len(tasks) - len(todo))
    warn_of_bands(todo, judges.at_speech_rate)
    warn_of_silence(todo)
    # WORLD dominates: start with it, so that the last process does not work alone.
    todo.sort(key=lambda task: not task.with_world)
    bar = {"total": len(todo), "unit": "utt", "disable": None, "leave": False}
    if nj == 1 or len(todo) < 2:
        _init_worker(render, folder)
        for task in tqdm(todo, **bar):
            _run(task)
    else:
        begin = {"initializer": _init_worker, "initargs": (render, folder)}
        with worker_pool(nj, "fork", **begin) as pool:
            for _ in tqdm(pool.map(_run, todo), **bar):
                pass
    return [read_json(folder / f"{task.utt}.json") for task in tasks]


def _kept_key(path: Path) -> str | None:
    try:
        return read_json(path).get("key") if path.is_file() else None
    except UserError:
        return None
