"""Damaged projects of other programs end in one UserError, or are read: nothing else."""

import json
import random
import zipfile

import pytest

from espnet2_ext.errors import UserError
from espnet2_ext.score.formats.read import read_score

from . import (
    test_ccs,
    test_hts_label,
    test_mono_label,
    test_mscx,
    test_svp,
    test_tssln,
    test_vpr,
    test_vsqx,
    test_vvproj,
)
from .test_hostile import damaged

ROUNDS = 200
WHOLE = {
    "a.svp": json.dumps(test_svp.PROJECT, indent=1),
    "a.vvproj": json.dumps(test_vvproj.PROJECT, indent=1),
    "a.vsqx": test_vsqx.VSQ4,
    "b.vsqx": test_vsqx.version_3(),
    "a.vpr": json.dumps(test_vpr.PROJECT, indent=1),
    "a.ccs": test_ccs.CCS,
    "a.mscx": test_mscx.SONG.replace("><", ">\n<"),
    "a.lab": "\n".join(test_hts_label.SCORE),
    "b.lab": "\n".join(test_hts_label.SUNG),
    "song.lab": test_mono_label.lines(test_mono_label.LABEL),
}


def write(path, data):
    if path.suffix == ".vpr":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("Project/sequence.json", data)
    else:
        path.write_bytes(data)
    return path


@pytest.mark.parametrize("name", WHOLE)
def test_damage(tmp_path, name):
    rng = random.Random(0)
    data = WHOLE[name].encode()
    path = tmp_path / name
    (tmp_path / "song.ust").write_text(test_mono_label.UST, encoding="utf-8")
    refused = 0
    for _ in range(ROUNDS):
        try:
            read_score(write(path, damaged(data, rng)))
        except UserError as error:
            refused += 1
            assert "\n" not in str(error) and len(str(error)) < 500 + len(str(tmp_path)) * 3
    assert refused > ROUNDS / 5
    assert read_score(write(path, data))


def test_damaged_trees(tmp_path):
    rng = random.Random(0)
    path = tmp_path / "a.tssln"
    for _ in range(ROUNDS):
        path.write_bytes(damaged(test_tssln.project(), rng))
        try:
            read_score(path)
        except UserError as error:
            assert "\n" not in str(error)


def test_damaged_archive(tmp_path):
    rng = random.Random(0)
    path = tmp_path / "a.vpr"
    data = write(path, WHOLE["a.vpr"].encode()).read_bytes()
    for _ in range(ROUNDS):
        path.write_bytes(damaged(data, rng))
        try:
            read_score(path)
        except UserError as error:
            assert "\n" not in str(error)
