"""Recordings with digital silence are named before MCD is measured against them."""

import numpy as np
import pytest

from espnet2_ext.audio.wav import write_wav
from espnet2_ext.evaluation.rendition import Task
from espnet2_ext.evaluation.silence import silent_share, warn_of_silence
from espnet2_ext.metrics.versa_f0_mcd import mcd_dtw, mcd_f0, world_features
from espnet2_ext.score.music_score import MusicScore, Note

FS = 24000
SCORE = MusicScore((Note(0, 1.0, 60, "la"),))


def sung(gated: bool, noise: float) -> np.ndarray:
    """A voice, a rest and the voice again: with noise below it, or gated to nothing in the rest."""
    rng = np.random.default_rng(0)
    times = np.arange(FS) / FS
    voice = 0.1 * sum(np.sin(2 * np.pi * 220 * k * times) / k for k in range(1, 20))
    wav = voice + noise * rng.standard_normal(FS)
    rest = (times > 0.3) & (times < 0.7)
    wav[rest] = 0.0 if gated else wav[rest] - voice[rest]
    return wav


def task(folder, name: str, ref: np.ndarray, **options) -> Task:
    write_wav(folder / f"{name}.wav", ref, FS)
    write_wav(folder / "copy.wav", sung(False, 1e-3), FS)
    values = {"hyp": str(folder / "copy.wav"), "with_world": True} | options
    return Task(name, ref=str(folder / f"{name}.wav"), score=SCORE, singer="a", **values)


def test_a_gated_recording_is_named(tmp_path, caplog):
    open_, gated = (task(tmp_path, n, sung(n == "gated", 1e-3)) for n in ("open", "gated"))
    warn_of_silence([open_])
    warn_of_silence([task(tmp_path, "gated", sung(True, 1e-3), with_world=False)])
    warn_of_silence([task(tmp_path, "gated", sung(True, 1e-3), hyp=gated.ref)])
    assert not caplog.records
    warn_of_silence([open_, gated])
    assert "1 of 2 recordings looked at hold digital silence (gated: 40%)" in caplog.text


def test_zeros_of_a_soft_sound_are_no_silence():
    wav = np.tile([0.0] * 100 + [1e-4], 100)
    assert silent_share(wav, FS) == 0.0 and silent_share(np.zeros(0), FS) == 0.0
    assert silent_share(np.concatenate([wav, np.zeros(len(wav))]), FS) == pytest.approx(
        0.5, abs=0.01
    )


def test_mcd_without_dtw_measures_the_gate_and_with_dtw_does_not():
    copy = world_features(sung(False, 1e-3), FS)
    plain, gated = (world_features(sung(on, 1.1e-3), FS) for on in (False, True))
    assert mcd_f0(copy, gated).mcd_db > mcd_f0(copy, plain).mcd_db + 5
    assert mcd_dtw(copy, gated) < mcd_dtw(copy, plain) + 2
