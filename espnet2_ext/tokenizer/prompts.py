"""Drawing prompts: which other utterance of a singer shows a model whose voice it shall sing with.

A prompt must not tell its target. Were it drawn once for a whole training, every third utterance
would be the only one with its prompt, and the prompt would name it: so training draws anew each
epoch. Nor is another take of the target's phrase drawn where the singer has anything else: the
model would copy its phones and times.
"""

import bisect
import hashlib
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from espnet2_ext.errors import UserError
from espnet2_ext.files import read_json, read_table, write_json, write_table
from espnet2_ext.score.formats.espnet_format import parse_label
from espnet2_ext.score.music_score import REST_PHONES

CODEC_SSL, PROMPT, PHRASES, POOL = "codec_ssl.scp", "prompt.scp", "utt2phrase", "prompts.json"


def phrases(data_dir: str | Path, utts: Iterable[str]) -> dict[str, str]:
    """What is sung in each utterance: a digest of its phones, one of its text, where known.

    Two utterances that share a digest are takes of one phrase, whatever their melody and timing.
    Rests do not count, nor how many notes a vowel is sung on.

    Args:
        data_dir: Data directory; its label and text are read where they exist.
        utts: Of which utterances.
    """
    labels, texts = (
        read_table(path) if path.exists() else {}
        for path in (Path(data_dir) / "label", Path(data_dir) / "text")
    )
    table = {}
    for utt in utts:
        words = [texts.get(utt, "").split()]
        if utt in labels:
            label = parse_label(labels[utt], f"{Path(data_dir) / 'label'}: {utt}")
            phones = (phone for _, _, phone in label if phone not in REST_PHONES)
            words.append([phone for phone, _ in groupby(phones)])
        table[utt] = " ".join(sorted(set(filter(None, map(_digest, words)))))
    return table


def _digest(words: Iterable[str]) -> str:
    sung = "".join(word for word in words if word not in REST_PHONES)
    return hashlib.sha256(sung.encode()).hexdigest()[:16] if sung else ""


@dataclass(frozen=True)
class _Folder:
    """A token directory that prompts come from; the utterances of each singer are sorted."""

    pointers: Mapping[str, str]
    by_speaker: Mapping[str, Sequence[str]]
    phrases: Mapping[str, str]


class PromptPool:
    """Utterances that may prompt another one of their singer.

    Args:
        prompt_dirs: Token directories with codec_ssl.scp, utt2spk and utt2phrase.
    """

    def __init__(self, prompt_dirs: Sequence[str | Path]) -> None:
        self.places = ", ".join(map(str, prompt_dirs))
        self.folders = [
            _Folder(
                read_table(folder / CODEC_SSL),
                by_speaker(read_table(folder / "utt2spk")),
                read_table(folder / PHRASES),
            )
            for folder in map(Path, prompt_dirs)
        ]

    def draw(self, utt: str, singer: str, phrase: str, key: str) -> str:
        """The ark pointer of a prompt for `utt`; it depends on `key` and the pool alone.

        First a directory that knows the singer is drawn, all alike, then an utterance in it: a
        small directory of speech is heard as often as a large one of singing. Takes of the same
        phrase are drawn only where the singer has nothing else.

        Args:
            utt: The target, which is never drawn.
            singer: Its singer.
            phrase: Its digests, as `phrases` gives them.
            key: Seeds the draw.

        Raises:
            UserError: naming a singer without another utterance.
        """
        # its place in each sorted list, so that a draw costs the same in a list of any size
        choices = []
        for folder in self.folders:
            theirs = folder.by_speaker.get(singer, [])
            own = bisect.bisect_left(theirs, utt)
            known = own < len(theirs) and theirs[own] == utt
            if len(theirs) > known:
                choices.append((folder, theirs, own if known else len(theirs)))
        if not choices:
            raise UserError(self.places, f"no prompt for {utt}", "another utterance", singer)
        rng = random.Random(key)
        folder, theirs, own = rng.choice(choices)
        index = rng.choice(range(len(theirs) - (own < len(theirs))))
        drawn = theirs[index + (index >= own)]
        sung = set(phrase.split())
        if sung.intersection(folder.phrases[drawn].split()):
            others = []
            for at, theirs, _ in choices:
                fit = [u for u in theirs if u != utt and not sung & set(at.phrases[u].split())]
                others += [(at, fit)] if fit else []
            if others:
                folder, fit = rng.choice(others)
                drawn = rng.choice(fit)
        return folder.pointers[drawn]


def draw_prompts(
    utt2spk: Mapping[str, str],
    utt2phrase: Mapping[str, str],
    prompt_dirs: Sequence[str | Path],
    seed: int,
) -> dict[str, str]:
    """Draw for each utterance the prompt that it keeps in every evaluation.

    Args:
        utt2spk: utt -> singer.
        utt2phrase: utt -> what is sung.
        prompt_dirs: As for `PromptPool`.
        seed: Of the draw.

    Returns:
        utt -> ark pointer of the prompt's codec_ssl.

    Raises:
        UserError: naming a singer without another utterance.
    """
    pool = PromptPool(prompt_dirs)
    return {
        utt: pool.draw(utt, singer, utt2phrase[utt], f"{seed} {utt}")
        for utt, singer in utt2spk.items()
    }


def write_prompts(out_dir: str | Path, prompt_dirs: Sequence[str | Path], seed: int = 0) -> None:
    """Write a merged token directory's prompt.scp, fixed, and prompts.json: where training draws.

    Raises:
        UserError: as `draw_prompts`.
    """
    out_dir = Path(out_dir)
    utt2spk, utt2phrase = read_table(out_dir / "utt2spk"), read_table(out_dir / PHRASES)
    write_table(out_dir / PROMPT, draw_prompts(utt2spk, utt2phrase, prompt_dirs, seed))
    write_json(out_dir / POOL, {"prompt_dirs": [str(path) for path in prompt_dirs], "seed": seed})


def prompt_utts(token_dir: str | Path) -> dict[str, tuple[Path, str]]:
    """Which utterance prompts each one of a token directory, as `write_prompts` drew it.

    Returns:
        utt -> token directory and id of its prompt.

    Raises:
        UserError: a prompt is in none of the directories that prompts.json names.
    """
    token_dir = Path(token_dir)
    folders = [Path(folder) for folder in _read_pool(token_dir / POOL)["prompt_dirs"]]
    of_pointer = {
        pointer: (folder, name)
        for folder in folders
        for name, pointer in read_table(folder / CODEC_SSL).items()
    }
    found = {}
    for utt, pointer in read_table(token_dir / PROMPT).items():
        if pointer not in of_pointer:
            expected = f"one of {', '.join(map(str, folders))}"
            raise UserError(token_dir / PROMPT, f"a prompt {pointer!r}", expected, utt)
        found[utt] = of_pointer[pointer]
    return found


def _read_pool(path: Path) -> dict[str, Any]:
    made = read_json(path)
    if not isinstance(made, dict) or set(made) != {"prompt_dirs", "seed"}:
        raise UserError(path, "not a pool of prompts", "prompt_dirs and seed")
    return made


class EpochPrompts:
    """The prompts of a training set, others in each epoch.

    The draw depends on the pool, its seed, the epoch and the utterance: it is the same in every
    process and after every resume.

    Args:
        path: prompts.json of a token directory; its utt2spk and utt2phrase lie beside it.

    Raises:
        UserError: the file is not one that `write_prompts` wrote.
    """

    def __init__(self, path: str | Path) -> None:
        made = _read_pool(Path(path))
        self.seed, self.pool = made["seed"], PromptPool(made["prompt_dirs"])
        self.utt2spk = read_table(Path(path).parent / "utt2spk")
        self.utt2phrase = read_table(Path(path).parent / PHRASES)

    def pointer(self, utt: str, epoch: int) -> str:
        """Ark pointer of the codec_ssl that prompts `utt` in `epoch`."""
        key = f"{self.seed} {epoch} {utt}"
        return self.pool.draw(utt, self.utt2spk[utt], self.utt2phrase[utt], key)


def by_speaker(utt2spk: Mapping[str, str]) -> dict[str, list[str]]:
    """Singer -> utterances, both sorted."""
    speakers: dict[str, list[str]] = {}
    for utt in sorted(utt2spk):
        speakers.setdefault(utt2spk[utt], []).append(utt)
    return dict(sorted(speakers.items()))
