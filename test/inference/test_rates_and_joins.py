"""What is sung at any rate, where phrases are joined, and by whom, with the stand-in models."""

import numpy as np
import pytest
import torch

from espnet2_ext.audio.mel import MelConfig
from espnet2_ext.audio.wav import write_wav
from espnet2_ext.errors import UserError
from espnet2_ext.inference.synthesizer import MAX_PART_SEC, PAD_SEC
from espnet2_ext.inference.vocoder_step import VocoderStep
from espnet2_ext.score.music_score import MusicScore, Note
from espnet2_ext.score.segment import split_at_rests
from espnet2_ext.vocoder.inference import VocoderInference
from espnet2_ext.vocoder.source_filter import SourceFilterVocoder

from . import test_synthesizer
from .test_synthesizer import (
    MEL,
    PHONES,
    Features,
    PitchThrough,
    flow_step,
    loud_but_in_silences,
    make_synthesizer,
    song,
    song_with_rests,
)


@pytest.mark.parametrize(("fs", "hop"), [(24000, 240), (44100, 441), (48000, 480), (16000, 320)])
def test_a_score_of_twelve_seconds_is_twelve_seconds_at_any_rate(monkeypatch, fs, hop):
    """Half the length where rates of model and score differed (espnet issue 6292)."""
    mel = MelConfig(fs=fs, hop_length=hop, fmax=fs / 2)
    monkeypatch.setattr(test_synthesizer, "MEL", mel)
    voice = PitchThrough()
    repeats = mel.frames_per_token

    def flow(tokens, scores, prompts, sampling, soft, names=(), more=None):
        hz = [(440 * 2 ** ((s[:, 1] - 69) / 12)).repeat_interleave(repeats) for s in scores]
        return [Features(torch.zeros(len(h), mel.n_mels), h) for h in hz]

    monkeypatch.setattr(voice, "flow", flow)
    notes = tuple(Note(0.5 * k, 0.5 * k + 0.5, 60 + k % 5, "la", ("l", "a")) for k in range(24))
    sung = make_synthesizer(voice, PHONES)(MusicScore(notes), "ann")
    assert sung.fs == fs and abs(len(sung.wav) - 12 * fs) <= hop


@pytest.mark.parametrize(("fs", "hop"), [(24000, 300), (44100, 512)])
def test_rates_that_do_not_go_together_are_named(tmp_path, fs, hop):
    (tmp_path / "mel.yaml").write_text(f"fs: {fs}\nhop_length: {hop}\n")
    with pytest.raises(UserError, match=f"fs {fs} is not a multiple of .* hop_length {hop}"):
        MelConfig.load(tmp_path / "mel.yaml")


def test_phrases_are_joined_without_a_click_or_a_burst():
    """Of three phrases, rests between them (OpenUtau issue 1762)."""
    synthesizer = make_synthesizer(PitchThrough(), PHONES)
    score = song_with_rests([6.0, 6.0], "SP")
    torch.manual_seed(0)
    vocoder = VocoderInference(SourceFilterVocoder(MEL, dim=8, n_layers=1))
    synthesizer.model.pipeline.steps["vocoder"] = VocoderStep(vocoder)
    synthesizer.model.pipeline.steps["flow"] = flow_step(loud_but_in_silences)
    cuts = [p.start_sec for p in split_at_rests(score, MAX_PART_SEC, 50, PAD_SEC)][1:]
    assert cuts
    wav, window = synthesizer(score, "ann").wav, round(0.02 * MEL.fs)
    floor = np.abs(np.diff(wav[round(0.1 * MEL.fs) : round(0.3 * MEL.fs)])).max()  # the first rest
    for cut in cuts:
        around = wav[round((cut - 0.2) * MEL.fs) : round((cut + 0.2) * MEL.fs)]
        assert np.abs(np.diff(around)).max() <= 2 * floor + 1e-6
        power = np.mean(around[: len(around) // window * window].reshape(-1, window) ** 2, axis=1)
        assert power.max() <= 4 * np.median(power) + 1e-12


def test_a_voice_is_the_same_each_time_it_sings(tmp_path):
    """A prompt of 45 s, where others end at 30 s or cannot keep a voice (SoulX-Singer issue 38)."""
    voice = PitchThrough()
    synthesizer = make_synthesizer(voice, PHONES)
    times = np.arange(45 * 16000) / 16000
    write_wav(tmp_path / "p.wav", 0.3 * np.sin(2 * np.pi * 440 * times), 16000)
    first, again = (synthesizer(song(1), prompt=tmp_path / "p.wav", seed=1) for _ in range(2))
    assert np.array_equal(first.wav, again.wav)
    assert len(voice.prompts_seen[0]) == 30 * 50
    assert torch.equal(voice.prompts_seen[0], voice.prompts_seen[-1])
