"""The leakage of several systems as one table."""

import pytest

from espnet2_ext.bin import report
from espnet2_ext.evaluation.prosody import STATISTICS
from espnet2_ext.files import read_json, write_json

NAMES = [metric.name for metric in STATISTICS]


def interval(value):
    return {"value": value, "low": value - 1, "high": value + 1}


def write(folder, beyond, verdict, shift):
    table = {
        "n_utt": 3,
        "excess": {name: interval(9.0) for name in NAMES},
        "beyond": {name: interval(beyond) for name in NAMES} if beyond is not None else {},
        "tests": {name: {"verdict": verdict if name == NAMES[0] else "none shown"}
                  for name in NAMES},
    }  # fmt: skip
    write_json(folder / "test/leakage.json", table)
    octave = {name: interval(shift) for name in ("shift_cents", "median_cents", "prompt_cents")}
    write_json(folder / "octave/prompt_shift.json", {"n_utt": 2, "share": interval(0.5), **octave})


def test_a_row_of_each_system_and_set_and_of_prompts_an_octave_apart(tmp_path, capsys):
    write(tmp_path / "tight", beyond=0.25, verdict="none shown", shift=2.0)
    write(tmp_path / "leaky", beyond=None, verdict="leaks", shift=600.0)
    out = tmp_path / "leakages.json"
    with pytest.raises(SystemExit) as end:
        report.main(["leakages", "--dir", str(tmp_path), "--systems", "tight", "leaky",
                     "--splits", "test", "--out", str(out)])  # fmt: skip
    assert end.value.code == 0
    rows = {(row["system"], row["split"]): row for row in read_json(out)}
    assert list(rows) == [(s, split) for split in ("test", "octave") for s in ("tight", "leaky")]
    assert rows["tight", "test"]["leaks"] == 0 and rows["leaky", "test"]["leaks"] == 1
    assert rows["tight", "test"][NAMES[0]] == interval(0.25)
    assert rows["leaky", "test"][NAMES[0]] == interval(9.0)  # there was no control
    assert rows["leaky", "octave"]["shift_cents"]["value"] == 600.0
    text = out.with_suffix(".md").read_text()
    assert "| leaky | octave | 600.000 [599.000, 601.000] |" in text
