"""Fit the judges on real audio and measure what they are worth; a finished part is not redone."""

import argparse
import hashlib
import json
import logging
import math
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from espnet2_ext.data.described import ATTRIBUTES
from espnet2_ext.data.licence import is_synthetic
from espnet2_ext.digest import digest_files
from espnet2_ext.evaluation.scoring import ScoringConfig
from espnet2_ext.files import parse_config, read_json, write_json
from espnet2_ext.judges.attributes import AttributeJudge
from espnet2_ext.judges.data import digest_data, known_f0, load_recordings
from espnet2_ext.judges.f0 import EXTRACTORS, qualify
from espnet2_ext.judges.fitting import (
    EmbedderFitConfig,
    FitConfig,
    fit_embedder,
    fit_recognizer,
    phone_error_rate,
)
from espnet2_ext.judges.fitting_attributes import (
    AttributeFitConfig,
    attribute_quality,
    fit_attributes,
    load_heard,
)
from espnet2_ext.judges.fitting_melody import (
    MelodyFitConfig,
    digest_stems,
    fit_melody,
    has_stems,
    load_songs,
    melody_quality,
)
from espnet2_ext.judges.melody import MelodyJudge
from espnet2_ext.judges.phone_recognizer import CtcPhoneRecognizer
from espnet2_ext.judges.quality import QUALITY, require_qualified
from espnet2_ext.judges.recording import Recording
from espnet2_ext.judges.singer_embedder import ConvSingerEmbedder
from espnet2_ext.judges.store import embed_folder, load_centroids, save_centroids
from espnet2_ext.lock import hold_to_the_end
from espnet2_ext.one_thread import one_thread

ACCURACY_BAR = 0.95
RAW_PITCH_BAR = 0.9


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data_dir", required=True, help="singing to train on (real audio)")
    parser.add_argument(
        "--more_dirs", nargs="*", default=[],
        help="more recordings that the judges of words and attributes learn from, of any singers",
    )  # fmt: skip
    parser.add_argument("--dev_dir", required=True, help="singing to measure the judges on")
    parser.add_argument("--out_dir", required=True, help="where the judges are written")
    parser.add_argument("--config", help="conf/scoring.yaml")
    parser.add_argument(
        "--centroid_dirs", nargs="*", default=[],
        help="real recordings of singers that are not in the training data",
    )  # fmt: skip
    parser.add_argument(
        "--qualify_dir",
        help="data directory with true_f0.scp (Hz), where the F0 extractor has to qualify",
    )
    parser.add_argument("--true_f0_period", type=float, default=0.01, help="seconds")
    parser.add_argument(
        "--compare_f0", nargs="*", default=[], help="other extractors to measure beside the chosen"
    )


@one_thread()
def run(args: argparse.Namespace) -> None:
    config = ScoringConfig.load(args.config)
    out_dir = Path(args.out_dir)
    fit = parse_config(FitConfig, config.fit_recognizer, args.config or "fit_recognizer")
    fit_voice = parse_config(EmbedderFitConfig, config.fit_embedder, args.config or "fit_embedder")
    learn_dirs = [args.data_dir, *args.more_dirs]
    contents = [digest_data(folder) for folder in (args.data_dir, *args.centroid_dirs)]
    learned = [contents[0], *map(digest_data, args.more_dirs)] if args.more_dirs else contents[0]
    hold_to_the_end(out_dir)
    done = _Done(out_dir / "fitted.json")
    train: dict[str, Recording] = {}

    key = _digest("recognizer", asdict(fit), learned)
    if not done.has("recognizer", key):
        train = load_recordings(args.data_dir)
        # Two sets may call different people by one name.
        more = [
            replace(recording, singer=f"{folder} {recording.singer}")
            for folder in args.more_dirs
            for recording in load_recordings(folder).values()
        ]
        fit_recognizer([*train.values(), *more], fit).save(out_dir)
        done.add("recognizer", key)
    recognizer = CtcPhoneRecognizer.load(out_dir)

    voice_key = _digest("embedder", asdict(fit_voice), contents[0])
    if not done.has("embedder", voice_key):
        train = train or load_recordings(args.data_dir)
        fit_embedder(list(train.values()), fit_voice).save(out_dir)
        done.add("embedder", voice_key)
    embedder = ConvSingerEmbedder.load(out_dir)

    attributes_key = ""
    if (Path(args.data_dir) / ATTRIBUTES).is_file():
        attributes_key = _fit_attributes(learn_dirs, out_dir, args.config, config, learned, done)
    melody_key = ""
    if has_stems(args.data_dir):
        melody_key = _fit_melody(args, config, contents[0], done)
    hears_songs = melody_key and has_stems(args.dev_dir)
    songs_key = [melody_key, digest_stems(args.dev_dir)] if hears_songs else []

    centroid_key = _digest(voice_key, config.centroid_utts, contents)
    if not done.has("centroids", centroid_key):
        embeddings, singers = {}, {}
        for folder in (args.data_dir, *args.centroid_dirs):
            vectors, names = embed_folder(embedder, folder, config.centroid_utts)
            embeddings |= vectors
            singers |= names
        save_centroids(out_dir, embeddings, singers)
        done.add("centroids", centroid_key)

    names = dict.fromkeys([config.f0_extractor, *args.compare_f0])
    measured_on = [digest_data(f) for f in (args.dev_dir, args.qualify_dir) if f]
    quality_key = _digest(
        key, centroid_key, measured_on, args.true_f0_period, list(names), config.dev_utts,
        config.qualify_utts,
        *([attributes_key, *_digests_of_attributes([args.dev_dir])] if attributes_key else []),
        *songs_key,
    )  # fmt: skip
    if not done.has("quality", quality_key):
        quality = _measure_dev(args, config, recognizer, embedder, out_dir)
        if attributes_key:
            quality["attribute_quality"] = _measure_attributes(args.dev_dir, config, out_dir)
        if hears_songs:
            quality["melody"] = _measure_melody(args.dev_dir, config, out_dir)
        if args.qualify_dir:
            quality["f0"] = {name: _qualify(name, args, config) for name in names}
        else:
            logging.warning("no --qualify_dir: %s judges unexamined", config.f0_extractor)
        quality["synthetic"] = is_synthetic(args.dev_dir)
        write_json(out_dir / QUALITY, quality)
        done.add("quality", quality_key)
    quality = read_json(out_dir / QUALITY)
    require_qualified(quality, config.f0_extractor, out_dir / QUALITY)
    if quality["dev_per"] > config.per_bar:
        logging.warning(
            "PER %.3f on real dev audio, above %.2f: the recogniser is no judge",
            quality["dev_per"],
            config.per_bar,
        )
    for name, of in quality.get("attribute_quality", {}).items():
        if of["accuracy"] < ACCURACY_BAR:
            mistakes = ", ".join(f"{what} ({n})" for what, n in of["mistaken"].items())
            logging.warning(
                "%s is heard rightly in %.3f of %d real dev recordings, below %.2f: a weak judge "
                "of it; mistakes: %s",
                name, of["accuracy"], of["n_utt"], ACCURACY_BAR, mistakes,
            )  # fmt: skip
    if "melody" in quality and quality["melody"]["raw_pitch_acc"] < RAW_PITCH_BAR:
        logging.warning(
            "the melody is heard rightly in %.2f of the sung frames of real dev songs, below %.2f",
            quality["melody"]["raw_pitch_acc"], RAW_PITCH_BAR,
        )  # fmt: skip
    print(json.dumps(quality, indent=2))


def _fit_attributes(
    learn_dirs: list[str],
    out_dir: Path,
    place: str | None,
    config: ScoringConfig,
    learned: Any,
    done: "_Done",
) -> str:
    """Fit the attribute judge, unless it was; returns what it was fitted from."""
    fit = parse_config(AttributeFitConfig, config.fit_attributes, place or "fit_attributes")
    described = _digests_of_attributes(learn_dirs)
    key = _digest("attributes", asdict(fit), learned, described, config.f0_extractor)
    if not done.has("attributes", key):
        extractor = EXTRACTORS[config.f0_extractor]
        loaded = [load_heard(folder, extractor) for folder in learn_dirs]
        heard = [one for of_folder, _ in loaded for one in of_folder]
        known = [one for _, of_folder in loaded for one in of_folder]
        fit_attributes(heard, known, fit).save(out_dir)
        done.add("attributes", key)
    return key


def _digests_of_attributes(folders: list[str]) -> list[str]:
    """Of those of the folders that have attributes."""
    files = [Path(folder) / ATTRIBUTES for folder in folders]
    return [digest_files(path) for path in files if path.is_file()]


def _measure_attributes(dev_dir: str, config: ScoringConfig, out_dir: Path) -> dict[str, Any]:
    heard = load_heard(dev_dir, EXTRACTORS[config.f0_extractor])
    quality = attribute_quality(AttributeJudge.load(out_dir), *heard)
    return {name: asdict(of) for name, of in quality.items()}


def _fit_melody(
    args: argparse.Namespace, config: ScoringConfig, learned: str, done: "_Done"
) -> str:
    """Fit the melody judge, unless it was; returns what it was fitted from."""
    fit = parse_config(MelodyFitConfig, config.fit_melody, args.config or "fit_melody")
    stems = digest_stems(args.data_dir)
    key = _digest("melody", asdict(fit), learned, stems, config.f0_extractor)
    if not done.has("melody", key):
        songs = list(load_songs(args.data_dir, EXTRACTORS[config.f0_extractor]))
        fit_melody(songs, fit).save(Path(args.out_dir))
        done.add("melody", key)
    return key


def _measure_melody(dev_dir: str, config: ScoringConfig, out_dir: Path) -> dict[str, float]:
    songs = load_songs(dev_dir, EXTRACTORS[config.f0_extractor], config.dev_utts)
    return asdict(melody_quality(MelodyJudge.load(out_dir), songs))


def _measure_dev(args, config, recognizer, embedder, out_dir) -> dict:
    dev = load_recordings(args.dev_dir, config.dev_utts)
    centroids = load_centroids(out_dir)
    embeddings, singers = embed_folder(embedder, args.dev_dir, config.centroid_utts)
    known = {utt: v for utt, v in embeddings.items() if singers[utt] in centroids.singers}
    voices = [centroids.compare(vector, singers[utt], utt) for utt, vector in known.items()]
    return {
        "f0_extractor": config.f0_extractor,
        "dev_per": phone_error_rate(recognizer, list(dev.values())),
        "dev_utts": len(dev),
        "n_singers": len(centroids.singers),
        "dev_singer_acc": _mean([v.first for v in voices]),
        "dev_singer_sim": _mean([v.cosine for v in voices]),
        "dev_other_sim": _mean([v.cosine - v.margin for v in voices]),
    }


def _mean(values: list[float]) -> float | None:
    """None, since JSON has no NaN, where there are none: no singer of dev is known, or no other."""
    mean = float(np.mean(values)) if values else math.nan
    return mean if math.isfinite(mean) else None


def _qualify(name: str, args: argparse.Namespace, config: ScoringConfig) -> dict:
    recordings = known_f0(args.qualify_dir, args.true_f0_period, config.qualify_utts)
    return qualify(name, recordings).asdict()


class _Done:
    """What has been fitted, with the key of what it was fitted from."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.keys = read_json(path) if path.is_file() else {}

    def has(self, part: str, key: str) -> bool:
        if self.keys.get(part) == key:
            logging.info("%s: done before", part)
            return True
        return False

    def add(self, part: str, key: str) -> None:
        self.keys[part] = key
        write_json(self.path, self.keys)


def _digest(*parts) -> str:
    return hashlib.sha256(json.dumps(parts, default=str).encode()).hexdigest()[:16]
