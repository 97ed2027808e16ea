"""Bars of a take are sung again: what changes, what stays, what is refused."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from espnet2_ext.audio.wav import read_wav, write_wav
from espnet2_ext.bin import edit
from espnet2_ext.errors import UserError
from espnet2_ext.inference.edit import fade_into, sing_again, splice
from espnet2_ext.inference.synthesizer import SingingSynthesizer
from espnet2_ext.score.formats.json_format import write_json_score
from espnet2_ext.score.formats.musicxml import read_bars
from espnet2_ext.score.formats.xml_writer import write_musicxml
from espnet2_ext.score.frames import MIDI_COLUMN
from espnet2_ext.score.music_score import MusicScore, Note, Phone
from espnet2_ext.tokenizer.level import at_level

from .conftest import MEL

BEAT = 0.5
MIDIS = (60, 62, 64, 65, 67, 65, 64, 62)
SCORE = MusicScore(
    tuple(Note(k * BEAT, (k + 1) * BEAT, midi, "la", ("l", "a")) for k, midi in enumerate(MIDIS))
)
SECOND_BAR = (2.0, 3.0)  # of two beats
LEAD = 0.06


def labelled(score: MusicScore) -> MusicScore:
    """With phone times whose consonants lead the beat by `LEAD`."""
    phones = []
    for k, note in enumerate(score.notes):
        vowel, end = note.start_sec + (LEAD if k == 0 else 0), note.end_sec - LEAD
        end = note.end_sec if k == len(score.notes) - 1 else end
        phones.append(Phone(vowel - LEAD, vowel, note.phones[0], k))
        phones.append(Phone(vowel, end, note.phones[1], k))
    return replace(score, phones=tuple(phones))


def with_note(index: int, **changes) -> MusicScore:
    notes = list(SCORE.notes)
    notes[index] = replace(notes[index], **changes)
    return replace(SCORE, notes=tuple(notes))


@pytest.fixture(scope="module")
def synthesizer(masked_pack):
    return SingingSynthesizer.from_pretrained(masked_pack)


@pytest.fixture(scope="module")
def take(tmp_path_factory):
    """Four seconds of a noise that never stays the same."""
    rng = np.random.default_rng(0)
    steps = np.repeat(rng.uniform(0.02, 0.2, 40), MEL.fs // 10)
    path = tmp_path_factory.mktemp("take") / "take.wav"
    write_wav(path, (rng.normal(0, 1, len(steps)) * steps).astype(np.float32), MEL.fs)
    return path


def test_what_is_not_sung_again_stays_token_for_token_and_sample_for_sample(synthesizer, take):
    score = labelled(SCORE)
    edited = sing_again(synthesizer, take, score, *SECOND_BAR)
    wav, _ = read_wav(take)
    tokens = synthesizer.tokenizers.encode(at_level(wav, MEL, synthesizer.prompt_level))
    begin, end = edited.begin_frame, edited.end_frame
    assert (begin, end) == (97, 147)  # with the consonants that lead the beat
    assert edited.tokens.shape == tokens.shape == (200, 3)
    assert torch.equal(edited.tokens[:begin], tokens[:begin])
    assert torch.equal(edited.tokens[end:], tokens[end:])
    assert (edited.tokens[begin:end] != tokens[begin:end]).any(0).all()  # of every stream
    per = MEL.samples_per_token
    same = edited.wav == wav
    assert len(edited.wav) == len(wav) and same[: begin * per].all() and same[end * per :].all()
    assert same[begin * per : end * per].mean() < 0.01
    again = sing_again(synthesizer, take, score, *SECOND_BAR)
    assert np.array_equal(again.wav, edited.wav)
    other = sing_again(synthesizer, take, score, *SECOND_BAR, seed=1)
    assert not torch.equal(other.tokens, edited.tokens)


def test_frames_that_stay_have_their_own_codes_embeddings(synthesizer):
    step, codec = synthesizer.model.pipeline.steps["masked"], synthesizer.tokenizers.codec
    prompt = synthesizer.model.prompts["ann"]
    frames = synthesizer.model.pipeline.steps["frames"](
        {"score": [synthesizer.timed(SCORE, "s")]}, ["s"]
    )["score_frames"][0]
    tokens = torch.stack([torch.randint(k, (200,)) for k in synthesizer.tokenizers.sizes], 1)
    kept = torch.ones(200, dtype=torch.bool)
    kept[50:80] = False
    filled = step.fill([frames], [tokens], [prompt], [kept])
    assert torch.equal(filled["codec_ssl"][0][kept], tokens[kept])
    own = codec.embed(filled["codec_ssl"][0][None, :, 1:])[0]
    torch.testing.assert_close(filled["soft"][0][kept], own[kept], rtol=1e-4, atol=1e-4)
    assert not torch.allclose(filled["soft"][0][~kept], own[~kept], atol=1e-2)


def test_other_notes_and_words_are_sung_there_in_the_takes_voice_or_another(synthesizer, take):
    plain = sing_again(synthesizer, take, SCORE, *SECOND_BAR)
    for changes in ({"midi": 72}, {"lyric": "ma", "phones": ("m", "a")}):
        new = with_note(4, **changes)
        edited = sing_again(synthesizer, take, SCORE, *SECOND_BAR, new)
        assert not torch.equal(edited.tokens, plain.tokens)
        sung = edited.score.notes[4]
        assert all(getattr(sung, name) == value for name, value in changes.items())
    ann = sing_again(synthesizer, take, SCORE, *SECOND_BAR, singer="ann")
    assert not torch.equal(ann.tokens, plain.tokens)
    everything = sing_again(synthesizer, take, SCORE, 0, 4, singer="ann")
    assert (everything.begin_frame, everything.end_frame) == (0, 200)
    with pytest.raises(UserError, match="take: all that it sings is sung again .*--singer"):
        sing_again(synthesizer, take, SCORE, 0, 4)


def test_a_long_take_is_sung_again_with_some_context_alone(synthesizer, tmp_path):
    rng = np.random.default_rng(1)
    write_wav(tmp_path / "t.wav", rng.normal(0, 0.1, 40 * MEL.fs).astype(np.float32), MEL.fs)
    notes = [Note(k, k + 1, 60 + k % 5, "la", ("l", "a")) for k in range(40)]
    seen = []
    step = synthesizer.model.pipeline.steps["masked"]

    class Spy(type(step)):
        def fill(self, scores, *rest):
            seen.append([len(score) for score in scores])
            return super().fill(scores, *rest)

    spy = Spy(step.acoustic, step.semantic, step.decoding, step.embeddings)
    pipeline = synthesizer.model.pipeline
    steps = {**pipeline.steps, "masked": spy}
    model = replace(synthesizer.model, pipeline=replace(pipeline, steps=steps))
    edited = sing_again(
        SingingSynthesizer(model), tmp_path / "t.wav", MusicScore(tuple(notes)), 20, 21
    )
    assert seen == [[edited.end_frame - edited.begin_frame + 2 * 200]]


@pytest.mark.parametrize(
    ("new", "time", "found"),
    [
        (with_note(7, end_sec=4.5), SECOND_BAR, r"new score: 4\.500 s \(expected 4\.000 s"),
        (with_note(1, midi=70), SECOND_BAR, r"la \(70\) at 0\.50 s \(expected la \(62\) at 0\.50"),
        (None, (2.1, 2.2), r"score: no note begins within 2\.100-2\.200 s"),
        (None, (9.0, 9.5), r"score: no note begins within"),
    ],
)
def test_what_cannot_be_sung_again_is_refused(synthesizer, take, new, time, found):
    with pytest.raises(UserError, match=found):
        sing_again(synthesizer, take, SCORE, *time, new)


def test_takes_that_do_not_fit_are_refused(synthesizer, pack, tmp_path):
    noise = np.random.default_rng(0).normal(0, 0.1, 4 * MEL.fs).astype(np.float32)
    for name, samples, fs in (
        ("rate", noise, 2 * MEL.fs),
        ("short", noise[: 2 * MEL.fs], MEL.fs),
        ("silent", 0 * noise, MEL.fs),
    ):
        write_wav(tmp_path / f"{name}.wav", samples, fs)
    for name, found in (("rate", "sampling rate"), ("short", "audio of 2.000 s"),
                        ("silent", "silence")):  # fmt: skip
        with pytest.raises(UserError, match=found):
            sing_again(synthesizer, tmp_path / f"{name}.wav", SCORE, *SECOND_BAR)
    lm = SingingSynthesizer.from_pretrained(pack)
    with pytest.raises(UserError, match="no masked generators"):
        sing_again(lm, tmp_path / "rate.wav", SCORE, *SECOND_BAR)


def test_spliced_frames_are_numbered_phone_by_phone_and_note_by_note():
    #                  phone midi phone_index note
    old = torch.tensor([[1, 60, 0, 0], [2, 60, 1, 0], [1, 62, 2, 1], [2, 62, 3, 1], [2, 62, 3, 1]])
    new = torch.tensor([[5, 60, 0, 0], [5, 70, 7, 4], [5, 70, 7, 4], [6, 70, 8, 4], [6, 71, 9, 5]])
    frames = splice(old, new, 1, 3)
    assert frames.tolist() == [
        [1, 60, 0, 0], [5, 70, 1, 1], [5, 70, 1, 1], [2, 62, 2, 1], [2, 62, 2, 1]
    ]  # fmt: skip
    assert torch.equal(splice(old, old, 1, 3), old)
    assert old[1, MIDI_COLUMN] == 60


def test_a_piece_is_faded_in_within_itself():
    samples, piece = np.zeros(10, np.float32), np.ones(6, np.float32)
    fade_into(samples, piece, 2, 3)
    assert samples.tolist() == [0, 0, 0, 0.5, 1, 1, 0.5, 0, 0, 0]
    whole = np.zeros(6, np.float32)
    fade_into(whole, piece, 0, 3)
    assert whole.tolist() == [1] * 6


def run(*argv) -> int:
    with pytest.raises(SystemExit) as ended:
        edit.main([str(word) for word in argv])
    return ended.value.code


def test_bars_of_a_musicxml_are_sung_again_by_the_command_line(masked_pack, take, tmp_path, capsys):
    write_musicxml(tmp_path / "song.musicxml", SCORE)
    write_musicxml(tmp_path / "new.musicxml", with_note(5, midi=69))
    assert read_bars(tmp_path / "song.musicxml") == [0, 2, 4]
    out = tmp_path / "edited.wav"
    given = ("--score", tmp_path / "song.musicxml", "--model", masked_pack, "-o", out)
    new = ("--with", tmp_path / "new.musicxml")
    assert run(take, *given, *new, "--bars", 2) == 0
    assert capsys.readouterr().out == f"{out}\n"
    (wav, fs), (kept, _) = read_wav(out), read_wav(take)
    assert fs == MEL.fs and len(wav) == len(kept)
    changed = np.flatnonzero(wav != kept)
    # the untrained model of durations has consonants that are nearly as long as a note
    assert 1.5 < changed[0] / fs < 2.05 and changed[-1] == len(wav) - 1
    assert run(take, *given, *new, "--bars", 1) == 2
    assert "new.musicxml: la (69) at 2.50 s (expected la (65)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--bars", "1"], "--bars: no bars are read of it (expected a MusicXML; of another"),
        (["--bars", "3-2"], "--bars: 3-2 (expected FIRST-LAST, such as 3-4)"),
        (["--seconds", "2-1"], "--seconds: 2-1 (expected BEGIN-END, such as 4.1-7.9)"),
        (["--seconds", "1-2", "--singer", "cy"], "singer: 'cy' is not in the pack"),
        ([], "one of the arguments --bars --seconds is required"),
    ],
)
def test_wrong_options_are_one_line(masked_pack, take, tmp_path, capsys, options, said):
    write_json_score(tmp_path / "song.json", SCORE)
    given = ("--score", tmp_path / "song.json", "--model", masked_pack, "-o", tmp_path / "o.wav")
    assert run(take, *given, *options) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1


def test_a_bar_that_is_not_there(masked_pack, take, tmp_path, capsys):
    write_musicxml(tmp_path / "song.musicxml", SCORE)
    given = (
        "--score",
        tmp_path / "song.musicxml",
        "--model",
        masked_pack,
        "-o",
        tmp_path / "o.wav",
    )
    assert run(take, *given, "--bars", "2-3") == 2
    assert "song.musicxml: --bars: 2 bars (expected bar 3)" in capsys.readouterr().err
