"""Which of two resume states is the newer is told by its name, not by file times."""

import os
from types import SimpleNamespace

import pytest

from espnet2_ext.train import zero_state


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ("step_000000009_1_9", "step_000000010_1_10"),
        ("step_000000020_9_end", "step_000000020_10_1"),
        ("step_000000020_3_4", "step_000000020_3_end"),
        ("step_000000020_3_9", "step_000000020_3_11"),
    ],
)
def test_a_copied_folder_resumes_from_its_newest_state(older, newer, tmp_path, monkeypatch):
    for time, name in ((2000, older), (1000, newer)):
        (tmp_path / name).mkdir()
        (tmp_path / name / zero_state._META).write_text('{"world_size": 1}')
        os.utime(tmp_path / name, (time, time))
    monkeypatch.setattr(zero_state.dist, "get_world_size", lambda: 1)
    loaded = []

    def load_checkpoint(folder, tag):
        loaded.append(folder.name)
        return None, {"point": {"epoch": 1, "batches": None, "reporter": {}, "observed": {}}}

    engine = SimpleNamespace(load_checkpoint=load_checkpoint)
    assert zero_state.load_state(engine, tmp_path, unsafe=True).epoch == 1
    assert loaded == [newer]


def test_a_state_that_was_not_finished_is_none(tmp_path):
    (tmp_path / "step_000000009_1_9").mkdir()
    assert zero_state.load_state(None, tmp_path) is None
