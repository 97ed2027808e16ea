"""The synthesizer's own work (cutting, timing, prompts, joining) with stand-in models."""

import re
from dataclasses import dataclass, replace
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given
from hypothesis import strategies as st
from score.strategies import scores

from espnet2_ext.audio.mel import LogMel, MelConfig
from espnet2_ext.audio.wav import read_wav, write_wav
from espnet2_ext.duration.inference import MEDIAN, TimingSampling
from espnet2_ext.errors import UserError
from espnet2_ext.flow.sampler import SamplingConfig
from espnet2_ext.inference.flow_step import FlowStep
from espnet2_ext.inference.pack import PackedModel
from espnet2_ext.inference.pipeline import Pipeline
from espnet2_ext.inference.score_steps import DurationStep, FramesStep
from espnet2_ext.inference.speechlm_steps import SpeechLMStep
from espnet2_ext.inference.synthesizer import MAX_PART_SEC, PAD_SEC, SingingSynthesizer
from espnet2_ext.inference.vocoder_step import VocoderStep
from espnet2_ext.score.frames import FrameScore, expand
from espnet2_ext.score.music_score import MusicScore, Note, Phone
from espnet2_ext.score.phones import PHONES as ALL_PHONES
from espnet2_ext.score.segment import split_at_rests
from espnet2_ext.speechlm.sampling import DecodingConfig
from espnet2_ext.tokenizer.svs_lb import SvsLabelConfig
from espnet2_ext.vocoder.inference import VocoderInference
from espnet2_ext.vocoder.source_filter import SourceFilterVocoder

MEL = MelConfig()
PHONES = ["SP", "AP", "l", "a"]


@dataclass
class Features:
    mel: torch.Tensor
    f0: torch.Tensor
    codes: None = None


class EvenDuration:
    def generate(
        self, score: MusicScore, place: str = "", sampling: TimingSampling = MEDIAN
    ) -> MusicScore:
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

    def speechlm(self, frames, prompts, decoding, svs_frames, more=None):
        self.prompts_seen += prompts
        self.svs_frames = svs_frames
        return [SimpleNamespace(tokens=f[:, :1].repeat(1, 3), score=0.0) for f in frames]

    def flow(self, tokens, scores, prompts, sampling, soft, names=(), more=None):
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
    return make_synthesizer(voice, PHONES)


def flow_step(generate) -> FlowStep:
    needs = {"more_streams": [], "needs_pitch": True, "needs_phones": False, "needs_prompt": True}
    return FlowStep(SimpleNamespace(generate=generate, **needs), SamplingConfig())


def make_synthesizer(voice, phones):
    tokenizers = SimpleNamespace(
        mel=MEL,
        phones=phones,
        n_streams=3,
        svs_lb=SvsLabelConfig(),
        encode=lambda wav: torch.full((len(wav) // MEL.samples_per_token, 3), 7),
        log_mel=lambda wav: LogMel(MEL)(wav[None])[0],
        codec=SimpleNamespace(decode_mel=lambda codes: torch.zeros(1, len(codes[0]), MEL.n_mels)),
    )
    model = PackedModel(
        manifest={
            "languages": ["zh"],
            "singers": {"ann": {"midi_range": [60, 70]}, "bob": {"midi_range": [45, 55]}},
        },
        tokenizers=tokenizers,
        vocabulary=None,
        pipeline=Pipeline(
            {
                "duration": DurationStep(EvenDuration()),
                "frames": FramesStep(tokenizers),
                "speechlm": SpeechLMStep(
                    SimpleNamespace(generate=voice.speechlm, more_streams=[]), DecodingConfig()
                ),
                "flow": flow_step(voice.flow),
                "vocoder": VocoderStep(
                    SimpleNamespace(
                        generate=voice.vocoder, mel=MEL, vocoder=SimpleNamespace(uses_f0=True)
                    )
                ),
            }
        ),
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


RINGING_SEC = 0.03  # the vocoder's filters and its cross-fade


def song_with_rests(rest_sec: list[float], rest_phone: str, lead_sec: float = 0.08) -> MusicScore:
    """Lines of unequal lengths, rests between them; every first consonant leads its beat."""
    notes, phones, t = [Note(0, 0.5, 0, "", (rest_phone,))], [], 0.5
    for line, rest in enumerate([*rest_sec, 0.4]):
        for _ in range(2 + 5 * line % 13):
            notes.append(Note(t, t + 0.5, 62, "la", ("l", "a")))
            notes.append(Note(t + 0.5, t + 0.9, 64, "a", ("a",)))
            t += 0.9
        notes.append(Note(t, t + rest, 0, "", (rest_phone,)))
        t += rest
    begin = 0.0
    for index, note in enumerate(notes):
        follows = notes[index + 1] if index + 1 < len(notes) else note
        end = note.end_sec - lead_sec * (follows.phones[0] == "l")
        vowel = note.start_sec if note.phones[0] == "l" else begin
        phones += [Phone(begin, vowel, "l", index)] if note.phones[0] == "l" else []
        phones.append(Phone(vowel, end, note.phones[-1], index))
        begin = end
    return MusicScore(tuple(notes), tuple(phones))


def loud_but_in_silences(tokens, scores, prompts, sampling, soft, names, more):
    """Features of scores (F, 4): SP is silent, all else is loud, vowels are voiced."""
    silence = float(np.log(MEL.floor))
    features = []
    for score in scores:
        phone, midi = score[:, :2].repeat_interleave(MEL.frames_per_token, 0).T
        mel = torch.where(phone == PHONES.index("SP"), silence, -2.0)
        hz = 440 * 2 ** ((midi - 69) / 12)
        f0 = torch.where(phone == PHONES.index("a"), hz, 0.0)
        features.append(Features(mel[:, None].repeat(1, MEL.n_mels), f0))
    return features


@pytest.mark.parametrize("rest_phone", ["SP", "AP"])
def test_rests_are_silent_but_for_breaths_and_leading_consonants(synthesizer, rest_phone):
    score = song_with_rests([0.3, 0.1, 0.6, 2.0, 0.2, 1.0, 0.15, 0.4, 2.5, 1.5], rest_phone)
    torch.manual_seed(0)
    vocoder = VocoderInference(SourceFilterVocoder(MEL, dim=8, n_layers=1))
    synthesizer.model.pipeline.steps["vocoder"] = VocoderStep(vocoder)
    synthesizer.model.pipeline.steps["flow"] = flow_step(loud_but_in_silences)
    sung = synthesizer(score, "ann")
    a_frame = MEL.samples_per_token
    assert len(sung.wav) == pytest.approx(score.duration_sec * MEL.fs, abs=a_frame)

    def loudest(start_sec: float, end_sec: float) -> float:
        return np.abs(sung.wav[round(start_sec * MEL.fs) : round(end_sec * MEL.fs)]).max(initial=0)

    for phone in score.phones:
        if phone.phone == "SP" and phone.end_sec - phone.start_sec > 2 * RINGING_SEC:
            assert loudest(phone.start_sec + RINGING_SEC, phone.end_sec - 0.02) < 1e-3, phone
        if phone.phone != "SP":
            assert loudest(phone.start_sec, phone.end_sec) > 0.01, phone
    cuts = [p.start_sec for p in split_at_rests(score, MAX_PART_SEC, 50, PAD_SEC)][1:]
    assert len(cuts) >= 5
    for cut in cuts:
        (at,) = [p.phone for p in score.phones if p.start_sec < cut < p.end_sec]
        assert at == rest_phone
        assert loudest(cut - 0.005, cut + 0.005) < 1e-3 or at == "AP"


def test_a_song_whose_rest_is_mostly_a_consonant_is_sung(synthesizer):
    """All parts were sung, then the song was lost: the cut fell into the early consonant."""
    score = song_with_rests([0.3] * 4, "AP", lead_sec=0.18)
    assert score.duration_sec > 2 * MAX_PART_SEC
    sung = synthesizer(score, "ann")
    assert sung.score == score
    assert len(sung.wav) == pytest.approx(score.duration_sec * MEL.fs, abs=MEL.samples_per_token)


def test_a_score_of_rests_and_one_of_a_blink_are_sung(synthesizer, voice):
    sung = synthesizer(MusicScore((Note(0, 60, 0, "", ("SP",)),)), "ann")
    assert len(sung.wav) == 60 * MEL.fs and not sung.wav.any() and not voice.prompts_seen
    sung = synthesizer(MusicScore((Note(0, 0.05, 62, "la", ("l", "a")),)), "ann")
    assert len(sung.wav) == pytest.approx(0.05 * MEL.fs, abs=MEL.samples_per_token)
    with pytest.raises(UserError, match=r"0.005 s of music \(expected a frame of 0.02 s, at least"):
        synthesizer(MusicScore((Note(0, 0.005, 62, "la", ("l", "a")),)), "ann")


def test_a_long_rest_and_a_long_note_are_sung_at_their_places(synthesizer):
    spans = [(0, 0.1, 62), (0.1, 30.1, 0), (30.1, 70.1, 64), (70.1, 73.1, 0), (73.1, 73.2, 65)]
    notes = [Note(a, b, m, "la" if m else "", ("l", "a") if m else ("SP",)) for a, b, m in spans]
    wav = synthesizer(MusicScore(tuple(notes)), "ann").wav
    assert len(wav) == pytest.approx(73.2 * MEL.fs, abs=MEL.samples_per_token)
    for start, end, midi in spans:
        inside = wav[round((start + 0.02) * MEL.fs) : round((end - 0.02) * MEL.fs)]
        assert (np.abs(np.diff(inside)).max() > 0.01) == (midi > 0), (start, end)


@pytest.mark.parametrize("ends", ["early", "late"])
def test_parts_whose_tokens_have_their_own_length_stay_at_their_places(
    synthesizer, voice, caplog, ends
):
    """A free length must not move what follows: the missing end is silent, the surplus is cut."""
    whole = synthesizer(song(), "ann").wav
    first = 80  # token frames that the LM sings of the first part, or 5 too many

    def sing(frames, prompts, decoding, svs_frames, more=None):
        lengths = [first if ends == "early" else len(frames[0]) + 5, *map(len, frames[1:])]
        return [SimpleNamespace(tokens=torch.zeros(n, 3).long(), score=0.0) for n in lengths]

    def refine(tokens, scores, prompts, sampling, soft, names, more):
        return voice.flow(
            tokens, [s[: len(t)] for s, t in zip(scores, tokens, strict=True)], prompts, None, soft
        )

    lm = SpeechLMStep(
        SimpleNamespace(generate=sing, more_streams=[]), DecodingConfig(fixed_length=False)
    )
    synthesizer.model.pipeline.steps.update(speechlm=lm, flow=flow_step(refine))
    with caplog.at_level("INFO"):
        wav = synthesizer(song(), "ann").wav
    timed = EvenDuration().generate(song())
    part = split_at_rests(timed, MAX_PART_SEC, MEL.fps, PAD_SEC)[0]
    phone_ids = {phone: k for k, phone in enumerate(PHONES)}
    n_frames = len(expand(part.score, phone_ids, MEL.fps).stacked())
    assert len(wav) == len(whole) == round(song().duration_sec * MEL.fs)
    if ends == "late":
        np.testing.assert_array_equal(wav, whole)
        assert "1 longer, 0 shorter" in caplog.text and "WARNING" not in caplog.text
        return
    spt, pad = MEL.samples_per_token, round(part.pad_before_sec * MEL.fs)
    end = first * spt - pad
    after = n_frames * spt - pad - round(part.pad_after_sec * MEL.fs)
    np.testing.assert_array_equal(wav[:end], whole[:end])
    assert not wav[end:after].any()
    np.testing.assert_array_equal(wav[after:], whole[after:])
    assert f"part 1 ({first} frames for {n_frames})" in caplog.text


@given(
    scores(max_notes=20, max_lead=0.95),
    st.sampled_from(["corpus", "vowel", "consonant"]),
    st.sampled_from(["auto", "model", "label"]),
    st.integers(-12, 12),
)
def test_any_score_is_sung_at_its_length_or_refused_in_one_line(score, onset, timing, semitones):
    synthesizer = make_synthesizer(PitchThrough(), ALL_PHONES)
    try:
        sung = synthesizer(score, "ann", None, timing, semitones, onset=onset)
    except UserError as error:
        reasons = "no phone times|outside 1-127|s of music"
        assert re.search(reasons, str(error)) and "\n" not in str(error)
    else:
        frames = score.duration_sec * MEL.fps
        assert len(sung.wav) / MEL.samples_per_token == pytest.approx(frames, abs=0.51)


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


@pytest.mark.parametrize(
    ("lead_sec", "voice_sec", "rate", "frames"),
    [(0, 0.1, 44100, 5), (0, 3, 44100, 150), (5, 2, 8000, 150), (0, 90, 16000, 1500)],
)
def test_a_prompt_is_the_voice_in_a_recording(
    synthesizer, tmp_path, caplog, lead_sec, voice_sec, rate, frames
):
    voice = 0.3 * np.sin(np.arange(round(voice_sec * rate)) * 440 * 2 * np.pi / rate)
    wav = np.concatenate([np.zeros(lead_sec * rate), voice])
    soundfile.write(tmp_path / "p.wav", np.stack([0 * wav, wav], 1), rate)  # the voice on the right
    assert abs(len(synthesizer.encode_prompt(tmp_path / "p.wav")) - frames) <= 1
    assert ("0.10 s of a voice" in caplog.text) == (voice_sec < 1)


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


def test_the_prefix_has_the_frames_of_svs_lb_where_it_rounds_otherwise(synthesizer, voice):
    synthesizer(song(1))
    assert voice.svs_frames is None
    label = FrameScore(*np.ones((4, 3), int), 50)
    synthesizer.tokenizers.svs_lb = SvsLabelConfig(rounding="per_phone")
    synthesizer.tokenizers.label_frames = lambda score: label
    synthesizer(song(1))
    assert all(torch.equal(one, torch.ones(3, 4)) for one in voice.svs_frames)
