"""F0 of the same scores sung with two prompts, on contours and recordings made by hand."""

import numpy as np
import pytest

from espnet2_ext.audio.wav import write_wav
from espnet2_ext.bin.report import main
from espnet2_ext.evaluation.prompt_shift import Twice, cents_between, measure, text
from espnet2_ext.files import read_json, write_table

CONTOUR = 220 * 2 ** (np.sin(np.linspace(0, 9, 300)) / 6)


def twice(leaks: float, cents: float = 1200.0, utt: str = "u", song: str = "s") -> Twice:
    """Outputs that follow prompts so many cents apart by a share."""
    prompts = (CONTOUR, CONTOUR * 2 ** (cents / 1200))
    return Twice(utt, song, (CONTOUR, CONTOUR * 2 ** (leaks * cents / 1200)), prompts)


@pytest.mark.parametrize("leaks", [0.0, 0.1, 1.0])
def test_the_share_that_leaks(leaks):
    result = measure([twice(leaks)] * 3)
    assert result.share.value == pytest.approx(leaks, abs=1e-9)
    assert result.prompt_cents.value == pytest.approx(1200)
    assert result.shift_cents.value == pytest.approx(1200 * leaks, abs=1e-6)
    assert result.n_utt == 3 and result.n_song == 1


def test_which_prompt_is_called_a_does_not_matter():
    songs = [twice(0.2, cents, f"u{cents}", f"u{cents}") for cents in (-700, -100, 300, 900)]
    result = measure(songs)
    assert result.share.value == pytest.approx(0.2)
    assert result.prompt_cents.value == pytest.approx(100)
    flipped = [Twice(s.utt, s.song, s.outputs[::-1], s.prompts[::-1]) for s in songs]
    assert measure(flipped).share.value == pytest.approx(0.2)
    assert measure(flipped).shift_cents.value == pytest.approx(-result.shift_cents.value)


def test_prompts_of_one_pitch_say_nothing():
    assert np.isnan(measure([twice(0.2, 0.0)]).share.value)
    assert measure([twice(0.2, 0.0), twice(0.2)]).share.value == pytest.approx(0.2)


def test_intervals_are_over_songs():
    """Ten utterances of one song that leaks and one of a song that does not are two songs."""
    sung = [twice(0.5, song="a", utt=str(k)) for k in range(10)] + [twice(0.0, song="b")]
    result = measure(sung)
    assert result.n_song == 2 and result.share.low == pytest.approx(0)
    assert result.share.high == pytest.approx(0.5)


def test_an_octave_error_moves_the_mean_and_not_the_median():
    wrong = CONTOUR.copy()
    wrong[:30] /= 2
    result = measure([Twice("u", "s", (CONTOUR, wrong), (CONTOUR, CONTOUR * 2))])
    assert result.shift_cents.value == pytest.approx(-120)
    assert result.median_cents.value == pytest.approx(0)
    assert result.utts[0].n_frames == 300


def test_only_frames_voiced_in_both_are_compared():
    low = np.array([0.0, 100, 100, 100])
    between = cents_between(low, np.array([200.0, 200, 0, 200, 999]))
    np.testing.assert_allclose(between, 1200)
    assert len(between) == 2 and len(cents_between(low, np.zeros(4))) == 0


def test_what_cannot_be_compared_is_left_out_with_a_warning(caplog):
    silence = np.zeros(300)
    result = measure([
        twice(0.1),
        Twice("mute", "s", (CONTOUR, silence), (CONTOUR, CONTOUR)),
        Twice("no_prompt", "s", (CONTOUR, CONTOUR), (CONTOUR, silence)),
        Twice("slow", "s", (CONTOUR, np.repeat(CONTOUR, 2)), (CONTOUR, CONTOUR)),
    ])  # fmt: skip
    assert result.n_utt == 1 and [utt.utt for utt in result.utts] == ["u"]
    assert "mute is left out: no F0 in outputs" in caplog.text
    assert "no_prompt is left out: no F0 in two prompts" in caplog.text
    assert "slow is left out: outputs of 300 and 600 frames" in caplog.text


def test_it_is_said_in_words():
    assert "share that the outputs follow: 0.1000" in text(measure([twice(0.1)] * 2))


FS = 16000


def tables(folder, side: str, output_hz: float, prompt_hz: float) -> None:
    t = np.arange(FS) / FS
    paths = {"wav": {}, "prompt": {}}
    for utt in ("u1", "u2"):
        for kind, hz in (("wav", output_hz), ("prompt", prompt_hz)):
            path = folder / f"{side}.{kind}.{utt}.wav"
            write_wav(path, sum(np.sin(2 * np.pi * hz * k * t) / k for k in range(1, 9)) * 0.1, FS)
            paths[kind][utt] = path
    for kind, table in paths.items():
        write_table(folder / f"{side}.{kind}.scp", table)


def status(argv: list[str]) -> int:
    """What a command ends with."""
    with pytest.raises(SystemExit) as end:
        main(argv)
    return end.value.code


def options(folder) -> list[str]:
    given = []
    for kind in ("wav", "prompt"):
        given += [f"--{kind}_scp", *(str(folder / f"{side}.{kind}.scp") for side in "ab")]
    return ["prompt_shift", *given, "--data_dir", str(folder), "--out_dir", str(folder / "out"),
            "--f0_extractor", "dio"]  # fmt: skip


def test_two_folders_of_any_system(tmp_path, capsys):
    pytest.importorskip("pyworld")
    tables(tmp_path, "a", 220, 200)
    tables(tmp_path, "b", 220 * 2 ** (1 / 12), 200 * 2 ** (10 / 12))
    assert not status(options(tmp_path))
    result = read_json(tmp_path / "out" / "prompt_shift.json")
    assert result["share"]["value"] == pytest.approx(0.1, abs=0.005)
    assert [utt["utt"] for utt in result["utts"]] == ["u1", "u2"]
    assert "2 scores of 2 songs" in capsys.readouterr().out


def test_both_have_the_same_utterances(tmp_path, capsys):
    tables(tmp_path, "a", 220, 200)
    tables(tmp_path, "b", 220, 400)
    table = tmp_path / "b.wav.scp"
    table.write_text(table.read_text().splitlines()[0] + "\n")
    assert status(options(tmp_path)) == 2
    error = capsys.readouterr().err
    assert "b.wav.scp: no line for 'u2'" in error and "Traceback" not in error
