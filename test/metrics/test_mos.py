"""MOS predictors: from the hub's folder, or a reason."""

import numpy as np
import pytest
import torch

from espnet2_ext.metrics.mos import FS, MODELS, hub_folder, load_mos, without_silence


@pytest.fixture
def hub(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("name", MODELS)
def test_without_weights_the_cell_says_why(hub, name):
    mos = load_mos(name)
    assert mos.predict is None and MODELS[name].repo in mos.reason


def test_without_a_network_the_cell_says_so(hub, monkeypatch):
    monkeypatch.setattr("espnet2_ext.metrics.mos._reachable", lambda: False)
    assert "cannot be reached" in load_mos("singmos", fetch=True).reason


def test_a_repository_on_disk_is_used(hub):
    folder = hub / "South-Twilight_SingMOS_v0.2.0"
    folder.mkdir()
    (folder / "hubconf.py").write_text(
        "def singing_ssl_mos(**_):\n"
        "    return lambda wav, length: wav[:, : int(length[0])].mean(-1) + 3\n"
    )
    assert hub_folder(MODELS["singmos"].repo) == folder
    assert load_mos("singmos").predict(np.full(100, 0.5)) == pytest.approx(3.5)


def test_a_broken_repository_is_a_reason_too(hub):
    folder = hub / "unilight_sheet_v0.1.0"
    folder.mkdir()
    (folder / "hubconf.py").write_text("raise RuntimeError('weights are gone')\n")
    assert "weights are gone" in load_mos("sheet_ssqa").reason


def test_silence_around_a_phrase_changes_nothing_and_pauses_stay():
    rng = np.random.default_rng(0)
    sung = 0.1 * rng.standard_normal(FS)
    phrase = np.concatenate([sung, np.zeros(FS // 2), sung, 3e-3 * rng.standard_normal(FS // 5)])
    noise = 1e-5 * rng.standard_normal(5 * FS)  # of the room
    kept = without_silence(phrase)
    assert np.array_equal(kept, phrase)
    for around in (np.zeros(5 * FS), noise):
        assert np.array_equal(without_silence(np.concatenate([around, phrase, around])), phrase)
    for short in (np.zeros(FS), np.zeros(0), sung[:7]):
        assert np.array_equal(without_silence(short), short)
