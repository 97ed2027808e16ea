"""Writes a listening test: index.html with blinded audio beside it, and the key elsewhere."""

import hashlib
import json
import os
import re
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import soxr
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from espnet2_ext.audio.wav import read_wav, write_wav
from espnet2_ext.errors import UserError
from espnet2_ext.files import read_json, read_text, write_json, write_text
from espnet2_ext.listening import loudness as lufs
from espnet2_ext.listening.answers import KEY_FORMAT, VERSION, read_key
from espnet2_ext.listening.design import (
    KINDS,
    REFERENCE,
    RESERVED,
    SPOILED,
    Design,
    Designer,
)
from espnet2_ext.listening.headphones import make_checks
from espnet2_ext.listening.systems import choose, read_splits, read_systems, read_wavs

HERE = Path(__file__).parent
TEMPLATE = "page.html.j2"
MARK = 'content="espnet2_ext.listening_test"'

LANGUAGES = ("en", "zh", "ja")
MIN_FS = 8000
SHORT_NAME = 3
"""Names shorter than this are not looked for in the texts of the page."""


@dataclass
class TestConfig:
    """Options of a listening test (see the command's --help)."""

    __test__ = False  # not a test, whatever pytest makes of the name

    systems: list[str]
    out_dir: Path
    key: Path | None = None
    kinds: list[str] = field(default_factory=lambda: ["mos"])
    reference: Path | None = None
    num_utts: int = 10
    splits: list[str] = field(default_factory=list)
    parts: int = 1
    pairs: list[str] = field(default_factory=list)
    order: str = "latin"
    once: bool = False
    catch: int = 0
    mid_anchor: bool = False
    no_preference: bool = True
    headphones_check: bool = False
    seed: int = 0
    lang: str = "en"
    title: str = ""
    question: str = ""
    instructions: Path | None = None
    loudness: float = lufs.TARGET_LUFS
    fs: int = 0

    def __post_init__(self) -> None:
        for kind in self.kinds:
            if kind not in KINDS:
                raise UserError("--kinds", repr(kind), f"one of {', '.join(KINDS)}")
        if len(set(self.kinds)) < len(self.kinds):
            raise UserError("--kinds", "a kind twice", "each once")
        if "mushra" in self.kinds and not self.reference:
            raise UserError("--kinds", "mushra without a reference", "--reference DIR")
        for name, least in {"num_utts": 0, "parts": 1, "catch": 0, "seed": 0}.items():
            if getattr(self, name) < least:
                raise UserError(f"--{name}", str(getattr(self, name)), f"{least} or more")
        if self.fs and self.fs < MIN_FS:
            raise UserError("--fs", f"{self.fs} Hz", f"{MIN_FS} or more")
        if not -70 < self.loudness < 0:
            raise UserError("--loudness", f"{self.loudness:g} LUFS", "between -70 and 0")
        if self.key is None:
            self.key = self.out_dir.resolve().parent / "key.json"


@dataclass(frozen=True)
class MadeTest:
    """What was written.

    Attributes:
        page: index.html.
        key: The key.
        test: Id of the test, in page, key and results.
        trials: For each kind, how many trials one listener rates.
        target: Loudness of every sample (LUFS).
        lowered_by: The utterance and system whose peak set that target; empty if none did.
        minutes: Sound in one listener's session, everything heard once.
    """

    page: Path
    key: Path
    test: str
    trials: dict[str, int]
    target: float
    lowered_by: str
    minutes: float


def read_pairs(arguments: Sequence[str], names: Sequence[str]) -> list[tuple[str, str]]:
    """Pairs ``A,B`` of systems.

    Raises:
        UserError: not two different systems.
    """
    pairs = []
    for argument in arguments:
        pair = tuple(argument.split(","))
        if len(set(pair)) != 2 or len(pair) != 2 or not set(pair) <= set(names):
            raise UserError("--pairs", repr(argument), f"two of {', '.join(names)}, as A,B")
        pairs.append(pair)
    return pairs


def texts(lang: str) -> dict[str, Any]:
    """What the page says, in one language."""
    return read_json(HERE / "texts.json")[lang]


class Studio:
    """Audio of the samples, at one rate and one loudness.

    Args:
        wavs: For each system and the reference, path by utterance.
        design: Whose samples to make.
        config: Options.
    """

    def __init__(self, wavs: dict[str, dict[str, str]], design: Design, config: TestConfig) -> None:
        self.wavs, self.design, self.config = wavs, design, config
        used = {(s.source, s.utt) for s in design.samples.values()}
        loaded = {key: read_wav(wavs[key[0]][key[1]]) for key in sorted(used)}
        self.fs = config.fs or max(rate for _, rate in loaded.values())
        self.audio: dict[str, np.ndarray] = {}
        self.levels: dict[str, tuple[float, float]] = {}
        sources = {
            key: np.asarray(soxr.resample(wav.astype(np.float64), rate, self.fs, quality="VHQ"))
            for key, (wav, rate) in loaded.items()
        }
        for number, (sample_id, sample) in enumerate(sorted(design.samples.items())):
            place = f"{wavs[sample.source][sample.utt]}: {sample.utt}"
            wav = sources[sample.source, sample.utt]
            try:
                if sample.system in lufs.ANCHOR_HZ:
                    wav = lufs.low_pass(wav, self.fs, lufs.ANCHOR_HZ[sample.system])
                elif sample.system == SPOILED:
                    wav = lufs.spoil(wav, self.fs, config.seed + number)
                loudness = lufs.loudness(wav, self.fs)
            except ValueError as error:
                raise UserError(place, str(error), "audio that the test can use") from None
            if not np.isfinite(loudness):
                raise UserError(place, "silence", "singing; leave the utterance out with --splits")
            self.audio[sample_id] = wav
            self.levels[sample_id] = loudness, lufs.true_peak(wav)
        self.target, self.lowered_by = lufs.common_target(self.levels, config.loudness)

    def write(self, folder: Path) -> str:
        """Write every sample; returns a digest of all."""
        digest = hashlib.sha256()
        for sample_id, wav in self.audio.items():
            scaled = lufs.scale_to(wav, self.levels[sample_id][0], self.target)
            write_wav(folder / f"{sample_id}.wav", scaled, self.fs)
            digest.update((folder / f"{sample_id}.wav").read_bytes())
        return digest.hexdigest()

    def seconds(self, sample_id: str) -> float:
        """Length of a sample."""
        return len(self.audio[sample_id]) / self.fs


def _check_place(config: TestConfig) -> None:
    """Refuse a folder that holds something else, and a key inside of what is given away."""
    out, index = config.out_dir, config.out_dir / "index.html"
    if out.exists() and not out.is_dir():
        raise UserError(out, "a file", "a folder")
    ours = index.is_file() and MARK in read_text(index)
    if out.is_dir() and any(out.iterdir()) and not ours:
        raise UserError(out, "a folder with other files", "a new folder, or a page made before")
    if config.key.resolve().is_relative_to(out.resolve()):
        raise UserError("--key", f"{config.key} lies in the page", "a file outside of it")
    if config.key.exists():
        read_key(config.key)


def _write_key(path: Path, key: dict[str, Any]) -> None:
    """Write a key; another test's, which its results can't be read without, is put aside."""
    if path.exists() and (other := read_key(path)["test"]) != key["test"]:
        os.replace(path, path.with_suffix(f".{other}.json"))
    write_json(path, key)


def _check_words(config: TestConfig, names: Sequence[str], said: str) -> None:
    for name in names:
        if len(name) >= SHORT_NAME and re.search(rf"(?<!\w){re.escape(name)}(?!\w)", said, re.I):
            raise UserError("--title, --question or --instructions", f"names system {name!r}",
                            "texts that tell nothing about the systems")  # fmt: skip


def make_test(config: TestConfig) -> MadeTest:
    """Write page and key.

    Raises:
        UserError: systems, utterances or options that make no test.
    """
    _check_place(config)
    systems = read_systems(config.systems)
    names = [system.name for system in systems]
    for name in names:
        if name in RESERVED or (config.reference and name == REFERENCE):
            raise UserError("systems", f"name {name!r} is the page's own", "NAME=DIR")
    if len(names) < 2 and {"ab", "abx"} & set(config.kinds):
        raise UserError("systems", "one", "two or more to compare")
    pairs = read_pairs(config.pairs, names)
    wavs = {system.name: dict(system.wavs) for system in systems}
    if config.reference:
        wavs[REFERENCE] = read_wavs(config.reference)
    split_of = read_splits(config.splits)
    chosen, left = choose(list(wavs.values()), split_of, config.num_utts, config.seed)
    if config.parts > len(chosen):
        raise UserError("--parts", str(config.parts), f"at most {len(chosen)}, the utterances")
    parts = [list(chosen)[i :: config.parts] for i in range(config.parts)]
    reference = wavs.get(REFERENCE, {})
    same = [n for n in names if all(wavs[n][utt] == reference.get(utt) for utt in chosen)]
    designer = Designer(
        names, parts, left[0] if left else next(iter(chosen)), config.seed,
        config.order == "latin", config.once, config.catch, config.mid_anchor, pairs, same,
    )  # fmt: skip
    design = designer.build(config.kinds)
    words = texts(config.lang)
    title = config.title or words["title"]
    own = read_text(config.instructions) if config.instructions else ""
    instructions = [p.strip() for p in re.split(r"\n\s*\n", own) if p.strip()]
    _check_words(config, names, "\n".join([config.title, config.question, own]))
    studio = Studio(wavs, design, config)

    audio = config.out_dir / "audio"
    shutil.rmtree(audio, ignore_errors=True)
    digest = studio.write(audio)
    page: dict[str, Any] = {
        "trials": {
            key: {k: trial[k] for k in ("kind", "reference", "x") if k in trial}
            for key, trial in design.trials.items()
        },
        "sections": design.sections,
        "no_preference": config.no_preference,
        "check": [],
    }
    checks: dict[str, int] = {}
    if config.headphones_check:
        checks = make_checks(audio, config.seed)
        page["check"] = list(checks)
    facts = [config.lang, title, config.question, own, digest, page]
    page["id"] = hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:12]
    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined
    )
    html = environment.get_template(TEMPLATE).render(
        lang=config.lang, title=title, words=words, question=config.question,
        instructions=instructions, test=page,
        style=read_text(HERE / "page.css"), script=read_text(HERE / "page.js"),
    )  # fmt: skip
    key = {
        "format": KEY_FORMAT, "version": VERSION, "test": page["id"], "title": title,
        "seed": config.seed, "order": config.order,
        "systems": {system.name: str(system.folder) for system in systems},
        "reference": str(config.reference or ""),
        "loudness_lufs": round(studio.target, 3), "fs": studio.fs,
        "splits": chosen,
        "samples": {k: asdict(s) for k, s in design.samples.items()},
        "trials": design.trials, "sections": design.sections, "check": checks,
    }  # fmt: skip
    _write_key(config.key, key)
    write_text(config.out_dir / "index.html", html)
    return _made(config, page["id"], design, studio)


def _made(config: TestConfig, test: str, design: Design, studio: Studio) -> MadeTest:
    trials: dict[str, int] = {}
    seconds = 0.0
    for section in design.sections:
        part = section["parts"][0]
        entries = [e for block in part["groups"][0] for e in block["trials"]] + part["extra"]
        trials[section["kind"]] = len(entries)
        for entry in entries:
            trial = design.trials[entry["trial"]]
            heard = [*trial["samples"], *(trial[k] for k in ("reference", "x") if k in trial)]
            seconds += sum(studio.seconds(sample) for sample in heard)
    by = design.samples.get(studio.lowered_by)
    lowered = f"{by.system}: {by.utt}" if by else ""
    return MadeTest(config.out_dir / "index.html", config.key, test, trials, studio.target,
                    lowered, seconds / 60)  # fmt: skip
