"""Small corpora in the layouts of M4Singer, GTSinger and OpenSinger."""

import json
from pathlib import Path

import numpy as np

from espnet2_ext.audio.wav import write_wav
from espnet2_ext.score.formats.gtsinger import TECHNIQUES, parse_words
from espnet2_ext.score.formats.m4singer import parse_item

from .layouts import sing, write_midi

# 酒言 with a breath before and a slur; 你好 with a pause; 啊 alone.
M4SINGER_LISTS = (
    {
        "txt": "酒言",
        "phs": ["<AP>", "j", "iou", "ian", "ian", "<SP>"],
        "ph_dur": [0.3, 0.1, 0.3, 0.5, 0.2, 0.2],
        "notes": [0, 60, 60, 62, 64, 0],
        "notes_dur": [0.25, 0.12, 0.33, 0.5, 0.2, 0.2],
        "is_slur": [0, 0, 0, 0, 1, 0],
    },
    {
        "txt": "你好",
        "phs": ["n", "i", "<SP>", "h", "ao"],
        "ph_dur": [0.1, 0.4, 0.2, 0.1, 0.5],
        "notes": [57, 57, 0, 59, 59],
        "notes_dur": [0.1, 0.4, 0.2, 0.1, 0.5],
        "is_slur": [0, 0, 0, 0, 0],
    },
    {
        "txt": "啊",
        "phs": ["a", "a", "<AP>"],
        "ph_dur": [0.5, 0.5, 0.2],
        "notes": [60, 62, 0],
        "notes_dur": [0.5, 0.5, 0.2],
        "is_slur": [0, 1, 0],
    },
)


def write_m4singer(
    root: Path, songs: tuple[str, ...], song_per: int = 3, fs: int = 24000
) -> dict[str, dict]:
    """``meta.json`` and ``Singer#Song/0000.{wav,mid}``; songs as "Singer#Song".

    Returns:
        The item of each utterance.
    """
    items = {}
    for song in songs:
        for index in range(song_per):
            name = f"{song}#{index:04d}"
            items[name] = {"item_name": name} | M4SINGER_LISTS[index % len(M4SINGER_LISTS)]
            _, score = parse_item(items[name], name)
            wav = sing(score, fs, len(items))
            write_wav(root / song / f"{index:04d}.wav", wav, fs)
            write_midi(root / song / f"{index:04d}.mid", 60 + 10 * index)
    save(root / "meta.json", list(items.values()))
    return items


def save(path: Path, value: object) -> None:
    """Write JSON; the tests write NaN as Python does."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")


def gtsinger_word(
    text: str, phones: list[tuple[str, float, float]], notes: list[tuple[int, float, float]]
) -> dict:
    """A word: phones as (symbol, start, end), notes as (midi, note_dur, note_start)."""
    end = phones[-1][2]
    starts = [note[2] for note in notes]
    value = {"word": text, "start_time": phones[0][1], "end_time": end}
    value |= {"note": [n[0] for n in notes], "note_dur": [n[1] for n in notes]}
    value |= {"note_start": starts, "note_end": [*starts[1:], end][: len(starts)]}
    value |= {"ph": [p[0] for p in phones], "ph_start": [p[1] for p in phones]}
    value |= {"ph_end": [p[2] for p in phones]}
    value |= {name: ["0"] * len(phones) for name in TECHNIQUES}
    value |= {"tech": "0", "singing_method": "pop", "emotion": "sad"}
    return value | {"pace": "slow", "range": "high"}


_WORDS = {  # a word of one note, and one of two; a consonant and a held vowel
    "Chinese": [("酒", "j iou", 1), ("言", "ian ian", 2)],
    "English": [("time", "T AY1 M", 1), ("happy", "HH AE1 P IY0", 2)],
    "Korean": [("그", "k ɨ", 1), ("말", "m ɐ", 2)],
}


def gtsinger_words(language: str) -> list[dict]:
    """A breath, two words and a rest, the second word on two notes, its end with vibrato."""
    words = [gtsinger_word("<AP>", [("<AP>", 0.0, 0.3)], [(0, 0.25, 0.0)])]
    at = 0.3
    for text, symbols, n_notes in _WORDS[language]:
        names = symbols.split()
        phones = [(name, at + 0.2 * i, at + 0.2 * (i + 1)) for i, name in enumerate(names)]
        phones = [(name, round(start, 3), round(end, 3)) for name, start, end in phones]
        middle = phones[len(names) // 2][1]
        notes = [(60, 0.4, phones[0][1]), (62, 0.4, middle)][:n_notes]
        words.append(gtsinger_word(text, phones, notes))
        at = phones[-1][2]
    words[-1]["vibrato"][-1] = "1"
    return [*words, gtsinger_word("<SP>", [("<SP>", at, round(at + 0.2, 3))], [(0, 0.2, at)])]


GTSINGER_SINGERS = {"Chinese": "ZH-Alto-1", "English": "EN-Tenor-1", "Korean": "KO-Soprano-1"}
_CODES = {"Chinese": "zh", "English": "en", "Korean": "ko"}


def write_gtsinger(
    root: Path,
    songs: dict[str, tuple[str, ...]],
    per_group: int = 1,
    fs: int = 24000,
    groups: tuple[str, ...] = ("Breathy_Group", "Control_Group"),
) -> list[Path]:
    """``Language/Singer/Breathy/Song/Group/0000.{json,wav,musicxml}`` for the songs by language.

    Returns:
        The JSON files.
    """
    paths = []
    for language, titles in songs.items():
        words = gtsinger_words(language)
        score = parse_words(words, language, _CODES[language]).score
        for title in titles:
            song = root / language / GTSINGER_SINGERS[language] / "Breathy" / title
            for group in groups:
                for index in range(per_group):
                    path = song / group / f"{index:04d}.json"
                    save(path, words)
                    write_wav(path.with_suffix(".wav"), sing(score, fs, len(paths)), fs)
                    xml = '<score-partwise><sound tempo="88"/></score-partwise>'
                    path.with_suffix(".musicxml").write_text(xml)
                    paths.append(path)
            spoken = song / "Paired_Speech_Group" / "0000.wav"
            write_wav(spoken, np.full(fs // 2, 0.1, np.float32), fs)
    return paths


def write_opensinger(
    root: Path, singers: dict[str, tuple[int, ...]], per_singer: int = 2, fs: int = 24000
) -> None:
    """``{Man,Woman}Raw/0_光年之外/0_光年之外_0.{wav,lab,txt}``."""
    rng = np.random.default_rng(0)
    for folder, numbers in singers.items():
        for number in numbers:
            for index in range(per_singer):
                path = root / folder / f"{number}_光年之外" / f"{number}_光年之外_{index}.wav"
                tone = np.sin(2 * np.pi * 220 * (1 + number) * np.arange(fs) / fs)
                write_wav(path, (0.2 * tone + 0.003 * rng.normal(size=fs)), fs)
                path.with_suffix(".txt").write_text("感受停在我发端的指尖", encoding="utf-8")
                path.with_suffix(".lab").write_text("")
