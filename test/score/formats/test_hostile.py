"""Damaged files of every format end in one UserError, or are read: nothing else."""

import random
import shutil
from pathlib import Path

import pytest

from espnet2_ext.errors import UserError
from espnet2_ext.score.formats.assemble import SungNote, assemble
from espnet2_ext.score.formats.even_phones import with_even_phones
from espnet2_ext.score.formats.read import read_score
from espnet2_ext.score.formats.suffixes import FORMATS
from espnet2_ext.score.formats.write import write_score

NUMBERS = (
    b"nan",
    b"-1",
    b"1e999",
    b"0",
    b"99999999999999999999",
    b"",
    b"x",
    b"0.5",
    b"1_0",
    "٣".encode(),
)
TEXTS = (b"\xff", b"\x00", b'"', b"{", b"]", b"|", b"\n", b"&a", b"*a", b"<", "\u202e".encode())
ROUNDS = 120


def damaged(data: bytes, rng: random.Random) -> bytes:
    """One mistake as people and disks make them."""
    at = rng.randrange(len(data))
    digits = [i for i, byte in enumerate(data) if 48 <= byte <= 57]
    kind = rng.randrange(5)
    if kind == 0:
        return data[:at]
    if kind == 1 and digits:
        start = rng.choice(digits)
        end = start
        while end < len(data) and data[end] in b"0123456789.":
            end += 1
        return data[:start] + rng.choice(NUMBERS) + data[end:]
    if kind == 2:
        return data[:at] + rng.choice(TEXTS) + data[at + rng.randrange(2) :]
    if kind == 3:
        lines = data.split(b"\n")
        index = rng.randrange(len(lines))
        return b"\n".join(lines[:index] + lines[index + 1 :])
    end = min(len(data), at + rng.randrange(1, 40))
    return data[:end] + data[at:end] + data[end:]


@pytest.mark.parametrize("known", [k for k in FORMATS if k.write], ids=lambda known: known.name)
def test_damage(tmp_path, known):
    rng = random.Random(0)
    sung = [("SP", 0), ("wo", 60), ("-", 62), ("AP", 0), ("银", 64), ("行", 127), ("SP", 0)]
    rows = [SungNote(i / 2, i / 2 + 0.5, midi, lyric, "x") for i, (lyric, midi) in enumerate(sung)]
    path = tmp_path / f"a{(*known.suffixes, '')[0]}"
    write_score(path, with_even_phones(assemble(rows, "x", 100)))
    files = [p for p in sorted(path.rglob("*")) if p.is_file()] if path.is_dir() else [path]
    whole = {file: file.read_bytes() for file in files}
    refused = 0
    for _ in range(ROUNDS):
        file = rng.choice(files)
        file.write_bytes(damaged(whole[file], rng))
        try:
            read_score(path)
        except UserError as error:
            refused += 1
            assert "\n" not in str(error) and len(str(error)) < 500 + len(str(tmp_path)) * 3
        file.write_bytes(whole[file])
    assert refused > ROUNDS / 4
    assert read_score(path)


@pytest.mark.parametrize("known", FORMATS, ids=lambda known: known.name)
def test_no_file(tmp_path, known):
    for name in {(*known.suffixes, "")[0]}:
        with pytest.raises(UserError, match="none"):
            read_score(tmp_path / f"none{name}")
        folder = Path(tmp_path / f"folder{name}")
        folder.mkdir()
        with pytest.raises(UserError, match="folder"):
            read_score(folder)
        shutil.rmtree(folder)
