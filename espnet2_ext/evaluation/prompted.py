"""Outputs of any system and the prompts that they were sung with, as tables of wav files."""

import functools
import logging
import random
from collections.abc import Iterable, Mapping
from pathlib import Path

from espnet2_ext.audio.wav import read_wav
from espnet2_ext.errors import UserError
from espnet2_ext.evaluation.prosody import Prosody
from espnet2_ext.evaluation.songs import UTT2SONG, read_songs
from espnet2_ext.files import read_table
from espnet2_ext.judges.data import choose, require
from espnet2_ext.judges.f0 import EXTRACTORS
from espnet2_ext.workers import worker_pool

GROUPS = ("song", "singer")


def extractor_name(name: str) -> str:
    """The option --f0_extractor, if there is such an extractor."""
    if name not in EXTRACTORS:
        raise UserError("--f0_extractor", repr(name), ", ".join(EXTRACTORS))
    return name


def analyse(paths: Iterable[str], f0_extractor: str, nj: int = 1) -> dict[str, Prosody]:
    """Prosody of recordings, each analysed once, by path.

    Args:
        paths: Of wav files.
        f0_extractor: A key of `EXTRACTORS`.
        nj: Processes.
    """
    work = functools.partial(_prosody, f0_extractor=f0_extractor)
    each = list(dict.fromkeys(paths))
    if nj <= 1 or len(each) < 2:
        return dict(zip(each, map(work, each), strict=True))
    with worker_pool(min(nj, len(each)), "spawn") as pool:
        return dict(zip(each, pool.map(work, each), strict=True))


def _prosody(path: str, f0_extractor: str) -> Prosody:
    return Prosody.of(*read_wav(path), EXTRACTORS[f0_extractor])


def read_prompted(
    wav_scp: str | Path, prompt_scp: str | Path, limit: int | None = None, seed: int = 0
) -> tuple[dict[str, str], dict[str, str]]:
    """Paths of outputs and of the prompt that each was sung with, of the same utterances.

    Args:
        wav_scp: Table of outputs.
        prompt_scp: Table of prompts, by the outputs' ids; others are not looked at.
        limit: Take at most this many outputs, drawn by `seed`.

    Raises:
        UserError: there is no output, or an output without a prompt.
    """
    wavs, prompts = read_table(wav_scp), read_table(prompt_scp)
    if not wavs:
        raise UserError(wav_scp, "no outputs", "a line for each")
    utts = choose(sorted(wavs), limit, seed)
    return {u: wavs[u] for u in utts}, {u: require(prompts, u, Path(prompt_scp)) for u in utts}


def groups(utts: Iterable[str], data_dir: str | Path, by: str) -> dict[str, str]:
    """The song or singer of each utterance, from a data directory.

    Where the directory names no songs, each utterance is its own, with a warning.

    Raises:
        UserError: an utterance without a singer, where `by` asks for singers.
    """
    if by == "singer":
        path = Path(data_dir) / "utt2spk"
        table = read_table(path)
        return {utt: require(table, utt, path) for utt in utts}
    songs = read_songs(data_dir)
    found = {utt: songs.get(utt, utt) for utt in utts}
    if alone := sum(utt not in songs for utt in found):
        logging.warning(
            "%s: %d of %d utterances have no song and count as one each: intervals are too narrow "
            "where they share songs", Path(data_dir) / UTT2SONG, alone, len(found),
        )  # fmt: skip
    return found


def exchanged_prompts(
    prompts: Mapping[str, str], singers: Mapping[str, str], number: int = 1, seed: int = 0
) -> dict[str, list[str]]:
    """Unpaired prompts: the outputs of each singer exchange theirs, so that none keeps its own.

    Each exchange gives away every prompt as often as it was sung with: paired and unpaired prompts
    are the same recordings, and only who goes with whom differs. Where more than half of a singer's
    outputs share one prompt, as many of them are left out as find no partner, with a warning.

    Args:
        prompts: Path of each utterance's own prompt.
        singers: utt -> singer.
        number: Of exchanges.
        seed: Of the draws.

    Returns:
        Paths of `number` unpaired prompts of each utterance that takes part.

    Raises:
        UserError: nobody has anything to exchange.
    """
    exchanged: dict[str, list[str]] = {}
    for singer in sorted(set(singers.values())):
        rng = random.Random(f"{seed} {singer}")
        groups: dict[str, list[str]] = {}
        for utt in sorted(prompts):
            if singers[utt] == singer:
                groups.setdefault(prompts[utt], []).append(utt)
        many = max(groups.values(), key=len, default=[])
        rng.shuffle(many)
        partners = sum(map(len, groups.values())) - len(many)
        if len(many) > partners:
            logging.warning(
                "%d of the %d outputs of %s are left out: they share a prompt, and only %d have "
                "another", len(many) - partners, len(many) + partners, singer, partners,
            )  # fmt: skip
            del many[partners:]
        for _ in range(number if partners else 0):
            order = list(groups.values())
            rng.shuffle(order)
            row = [utt for utts in order for utt in rng.sample(utts, len(utts))]
            # utterances of one prompt are neighbours: a step past the largest group leaves it
            step = rng.randint(len(many), len(row) - len(many))
            for place, utt in enumerate(row):
                exchanged.setdefault(utt, []).append(prompts[row[(place + step) % len(row)]])
    if not exchanged:
        found = "no singer with two prompts"
        raise UserError("unpaired prompts", found, "--prompt_dir or --unpaired_scp")
    return exchanged


def drawn_prompts(
    prompts: Mapping[str, str],
    singers: Mapping[str, str],
    pool: Mapping[str, str],
    pool_singers: Mapping[str, str],
    number: int = 1,
    seed: int = 0,
) -> dict[str, list[str]]:
    """Unpaired prompts of each utterance: recordings of its singer, drawn without replacement.

    Args:
        prompts: Path of each utterance's own prompt, which is never drawn.
        singers: utt -> singer.
        pool: Paths of recordings to draw from, by id; that of the utterance itself is never drawn.
        pool_singers: Singer of each id of the pool.
        number: Of prompts to draw; fewer where the singer has no more.
        seed: Of the draw.

    Raises:
        UserError: naming an utterance whose singer has no other recording.
    """
    by_singer: dict[str, dict[str, str]] = {}
    for name, path in sorted(pool.items()):
        if name in pool_singers:
            by_singer.setdefault(pool_singers[name], {})[name] = path
    drawn = {}
    for utt, own in prompts.items():
        theirs = by_singer.get(singers[utt], {})
        paths = sorted({path for name, path in theirs.items() if name != utt} - {own})
        if not paths:
            raise UserError("--prompt_dir", f"no other recording of {singers[utt]!r}", "one", utt)
        rng = random.Random(f"{seed} {utt}")
        drawn[utt] = rng.sample(paths, min(number, len(paths)))
    return drawn
