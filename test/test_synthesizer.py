"""The synthesizer's own work (cutting, timing, prompts, joining) with stand-in models."""

from dataclasses import dataclass, replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from espnet2_ext.audio.mel import MelConfig
from espnet2_ext.audio.wav import read_wav, write_wav
from espnet2_ext.errors import UserError
from espnet2_ext.pack import PackedModel
from espnet2_ext.score.music_score import MusicScore, Note, Phone
from espnet2_ext.speechlm.sampling import DecodingConfig
from espnet2_ext.synthesizer import SingingSynthesizer

MEL = MelConfig()
PHONES = ["SP", "AP", "l", "a"]


@dataclass
class Features:
    mel: torch.Tensor
    f0: torch.Tensor


class EvenDuration:
    def generate(self, score: MusicScore) -> MusicScore:
        phones = []
        for index, note in enumerate(score.notes):
            step = (note.end_sec - note.start_sec) / len(note.phones)
            for k, symbol in enumerate(note.phones):
                start = note.start_sec + k * step
                phones.append(Phone(start, start + step, symbol, index))
        return replace(score, phones=tuple(phones))


class PitchThrough:
    """LM, flow and vocoder in one: the score's own pitch comes out as a loud sine."""

    prompts_seen: list

    def __init__(self) -> None:
        self.prompts_seen = []

    def speechlm(self, frames, prompts, decoding):
        self.prompts_seen += prompts
        return [SimpleNamespace(tokens=f[:, :1].repeat(1, 3), score=0.0) for f in frames]

    def flow(self, tokens, scores, prompts, sampling, soft):
        midi = [score[:, 1] for score in scores]
        self.soft = soft
        noise = [torch.rand(1) for _ in tokens]
        hz = [torch.where(m > 0, 440 * 2 ** ((m - 69) / 12), m.float()) for m in midi]
        return [
            Features(n.expand(len(h) * 2, MEL.n_mels), h.repeat_interleave(2))
            for n, h in zip(noise, hz, strict=True)
        ]

    def vocoder(self, mels, f0s):
        phases = [(f.repeat_interleave(MEL.hop_length) / MEL.fs).cumsum(0) for f in f0s]
        return [
            torch.sin(2 * torch.pi * p) * (0.5 + 0.4 * m[0, 0])
            for p, m in zip(phases, mels, strict=True)
        ]


@pytest.fixture
def voice():
    return PitchThrough()


@pytest.fixture
def synthesizer(voice):
    tokenizers = SimpleNamespace(
        mel=MEL,
        phones=PHONES,
        n_streams=3,
        encode=lambda wav: torch.full((len(wav) // MEL.samples_per_token, 3), 7),
    )
    model = PackedModel(
        manifest={"singers": {"ann": {"midi_range": [60, 70]}, "bob": {"midi_range": [45, 55]}}},
        tokenizers=tokenizers,
        vocabulary=None,
        speechlm=SimpleNamespace(generate=voice.speechlm),
        flow=SimpleNamespace(generate=voice.flow),
        vocoder=SimpleNamespace(generate=voice.vocoder),
        duration=EvenDuration(),
        decoding=DecodingConfig(),
        sampling=None,
        prompts={"ann": torch.full((4, 3), 1), "bob": torch.full((4, 3), 2)},
    )
    return SingingSynthesizer(model)


def song(n_lines: int = 4, midi: int = 62) -> MusicScore:
    notes, t = [], 0.0
    for line in range(n_lines):
        if line:
            notes.append(Note(t, t + 0.4, 0, "", ("SP",)))
            t += 0.4
        for k in range(6):
            notes.append(Note(t, t + 0.5, midi + k, "la", ("l", "a")))
            t += 0.5
    return MusicScore(tuple(notes))


def test_a_long_song_keeps_its_length_pitch_and_has_no_click(synthesizer):
    sung = synthesizer(song(), "ann")
    assert sung.timing == "model"
    assert len(sung.wav) == round(song().duration_sec * MEL.fs)
    middle = sung.wav[round(1.1 * MEL.fs) : round(1.4 * MEL.fs)]
    crossings = (np.diff(np.sign(middle)) > 0).sum() / 0.3
    assert crossings == pytest.approx(440 * 2 ** ((64 - 69) / 12), rel=0.02)
    # a sine of 370 Hz and full scale moves at most .1 a sample; a cut in it would jump further
    assert np.abs(np.diff(sung.wav)).max() < 0.12
    assert [p.phone for p in sung.score.phones].count("l") == 24
    assert sung.score.phones[-1].end_sec == pytest.approx(song().duration_sec)


def test_same_seed_same_samples(synthesizer):
    a, b, c = (synthesizer(song(1), "ann", seed=s).wav for s in (1, 1, 2))
    assert np.array_equal(a, b) and not np.array_equal(a, c)


def test_label_timing_is_taken_where_there_is_one(synthesizer):
    score = EvenDuration().generate(song(1))
    moved = replace(score.phones[0], end_sec=0.1), replace(score.phones[1], start_sec=0.1)
    score = replace(score, phones=(*moved, *score.phones[2:]))
    assert synthesizer(score, "ann").score.phones[0].end_sec == pytest.approx(0.1)
    assert synthesizer(score, "ann", timing="model").score.phones[0].end_sec == pytest.approx(0.25)
    with pytest.raises(UserError, match="no phone times"):
        synthesizer(song(1), "ann", timing="label")


def test_the_vowel_falls_on_the_beat_where_asked(synthesizer):
    plain, moved = (synthesizer(song(1), "ann", onset=o) for o in ("corpus", "vowel"))
    vowels = [p.start_sec for p in moved.score.phones if p.phone == "a"]
    beats = [n.start_sec for n in song(1).notes if not n.is_rest]
    assert vowels[1:] == pytest.approx(beats[1:], abs=0.011)  # parts begin on a frame
    assert [p.start_sec for p in plain.score.phones] != [p.start_sec for p in moved.score.phones]
    assert len(plain.wav) == len(moved.wav)


def test_singer_and_prompt_choose_the_voice(synthesizer, voice, tmp_path):
    write_wav(tmp_path / "p.wav", 0.1 * np.ones(22050), 22050)
    synthesizer(song(1), "bob")
    synthesizer(song(1))
    synthesizer(song(1), prompt=tmp_path / "p.wav")
    assert [int(p[0, 0]) for p in voice.prompts_seen] == [2, 1, 7]
    with pytest.raises(UserError, match="'eve' is not in the pack .expected ann, bob"):
        synthesizer(song(1), "eve")
    write_wav(tmp_path / "silent.wav", np.zeros(24000), 24000)
    with pytest.raises(UserError, match="silence"):
        synthesizer(song(1), prompt=tmp_path / "silent.wav")


def test_notes_outside_the_range_are_sung_with_a_warning(synthesizer, caplog):
    wav = synthesizer(song(1), "bob").wav
    assert "62, 63, 64, 65, 66, 67 lie outside" in caplog.text and np.abs(wav).max() > 0.4


def test_a_syllable_that_cannot_be_sung_is_named(synthesizer):
    score = song(1)
    for phones, message in (((), r"note 2: syllable 'la'"), (("zz", "a"), r"phone 'zz'")):
        notes = (score.notes[0], replace(score.notes[1], phones=phones), *score.notes[2:])
        with pytest.raises(UserError, match=message):
            synthesizer(replace(score, notes=notes), "ann")


def test_a_wav_says_that_it_is_synthetic(synthesizer, tmp_path):
    sung = synthesizer(song(1), "ann")
    sung.save(tmp_path / "o.wav")
    assert b"synthetic" in (tmp_path / "o.wav").read_bytes()
    assert len(read_wav(tmp_path / "o.wav", MEL.fs)[0]) == len(sung.wav)
