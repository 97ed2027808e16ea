"""Leakage of the prompt's prosody, on statistics and recordings made by hand."""

import re
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from espnet2_ext.audio.wav import read_wav, write_wav
from espnet2_ext.bin.report import main
from espnet2_ext.errors import UserError
from espnet2_ext.evaluation.leakage import Sung, markdown, measure
from espnet2_ext.evaluation.prompted import drawn_prompts, exchanged_prompts, groups
from espnet2_ext.evaluation.prosody import STATISTICS, Prosody, energy_db, moments
from espnet2_ext.files import read_json, read_table, write_table
from espnet2_ext.inference.octave_prompts import draw_sources, shift_pitch, sing
from espnet2_ext.metrics.voice_quality import VoiceQuality

NAMES = [metric.name for metric in STATISTICS]
FS = 16000


def statistics(value: float) -> dict[str, float]:
    return dict.fromkeys(NAMES, value)


def cases(leaks: float, n_songs: int = 12, song_per: int = 3, seed: int = 0) -> list[Sung]:
    """Outputs that follow prompts of random statistics by a share, with noise of their own."""
    rng = np.random.default_rng(seed)
    sung = []
    for index in range(n_songs * song_per):
        own, other, noise = rng.normal(size=3)
        output = statistics(leaks * own + (1 - leaks) * noise)
        song = f"song{index // song_per}"
        sung.append(Sung(f"{index}", song, "s", output, statistics(own), [statistics(other)]))
    return sung


@pytest.mark.parametrize("seed", range(4))
def test_nothing_is_shown_where_nothing_leaks(seed):
    table = measure(cases(0.0, seed=seed))
    assert {test.verdict for test in table.tests.values()} == {"none shown"}
    assert list(table.tests) == NAMES and table.n_utt == 36 and table.n_group == 12
    excess = table.excess["jitter_percent"]
    assert excess.low < 0 < excess.high
    assert excess.value == pytest.approx(
        table.unpaired["jitter_percent"].value - table.paired["jitter_percent"].value
    )


def test_what_follows_its_prompt_leaks():
    table = measure(cases(0.9))
    assert {test.verdict for test in table.tests.values()} == {"leaks"}
    assert all(excess.low > 0 for excess in table.excess.values())
    test = table.tests["hnr_db"]
    assert test.p_holm == pytest.approx(min(1, 11 * test.p_value)) and test.n_group == 12


def sung_melodies(leaks: float) -> list[Sung]:
    """Outputs of melodies unlike each other that follow their prompts a little; with the take."""
    rng = np.random.default_rng(1)
    sung = []
    for index in range(90):
        own, other, melody, sway = rng.normal(size=4) * (1, 1, 1, 0.02)
        output = statistics(leaks * own + melody + sway)
        sung.append(
            Sung(f"{index}", f"song{index // 6}", "s", output, statistics(own),
                 [statistics(other)], statistics(melody))
        )  # fmt: skip
    return sung


def test_a_control_takes_away_the_luck_of_the_pairing():
    """It is by chance that a melody is near to its prompt, and the recording is as near."""
    nothing, little = measure(sung_melodies(0.0)), measure(sung_melodies(0.1))
    assert {test.verdict for test in nothing.tests.values()} == {"none shown"}
    assert {test.verdict for test in little.tests.values()} == {"leaks"}
    excess, beyond = little.excess["hnr_db"], little.beyond["hnr_db"]
    assert excess.low < 0 < beyond.low and beyond.high - beyond.low < excess.high - excess.low
    alone = [replace(case, control=None) for case in sung_melodies(0.1)]
    assert {test.verdict for test in measure(alone).tests.values()} == {"none shown"}
    assert measure(alone).excess == little.excess and not measure(alone).beyond
    assert "| beyond the control |" in markdown(little)


@pytest.mark.parametrize("leaks", [0.0, 0.1, 0.5])
@pytest.mark.parametrize("above", [0.0, 100.0])
def test_the_share_is_seen_wherever_the_outputs_lie(leaks, above):
    """Far above both prompts, absolute differences see nothing."""
    sung = [
        replace(
            case,
            output={name: value + above for name, value in case.output.items()},
            control={name: value + above for name, value in case.control.items()},
        )
        for case in sung_melodies(leaks)
    ]
    table = measure(sung)
    share = table.share["pitch_hz_mean"]
    assert share.value == pytest.approx(leaks, abs=0.01) and share.low < leaks < share.high
    if above:
        assert table.beyond["pitch_hz_mean"].value == pytest.approx(0, abs=1e-9)


def test_a_singers_own_level_is_no_share():
    """A low singer has low prompts and sings low: what counts is what differs within a singer."""
    sung = [
        replace(
            case,
            circle=singer,
            output={name: value + level for name, value in case.output.items()},
            paired={name: value + level for name, value in case.paired.items()},
        )
        for singer, level in (("low", -50.0), ("high", 50.0))
        for case in sung_melodies(0.1)
    ]
    assert measure(sung).share["pitch_hz_mean"].value == pytest.approx(0.1, abs=0.01)


def test_prompts_alike_in_a_statistic_say_nothing_of_its_share():
    alike = [replace(case, paired=statistics(1.0)) for case in sung_melodies(0.1)]
    assert np.isnan(measure(alike).share["hnr_db"].value)


def test_outputs_nearer_to_the_other_prompt_are_no_leak():
    swapped = [
        Sung(case.utt, case.group, case.circle, case.output, case.unpaired[0], [case.paired])
        for case in cases(0.9)
    ]
    assert {test.verdict for test in measure(swapped).tests.values()} == {"reversed"}


def test_few_songs_of_many_utterances_show_nothing():
    """Forty utterances of four songs are four observations: no test of ranks can tell."""
    table = measure(cases(0.9, n_songs=4, song_per=10))
    assert {test.verdict for test in table.tests.values()} == {"none shown"}


def test_differences_to_several_unpaired_prompts_are_averaged():
    sung = [
        Sung(str(k), str(k), "s", statistics(0), statistics(1), [statistics(2), statistics(-4)])
        for k in range(3)
    ]
    assert measure(sung).unpaired["hnr_db"].value == pytest.approx(3)


def test_what_cannot_be_measured_is_left_out_and_said():
    nothing = statistics(1.0) | {"jitter_percent": float("nan"), "hnr_db": float("nan")}
    sung = cases(0.0)
    sung[0] = Sung("0", "song0", "s", nothing, statistics(0), [statistics(0)])
    table = measure(sung)
    assert table.tests["jitter_percent"].n_utt == 35 and table.tests["pitch_hz_mean"].n_utt == 36
    mute = [Sung(c.utt, c.group, c.circle, nothing, c.paired, c.unpaired) for c in sung]
    assert "jitter_percent" not in measure(mute).tests
    assert "| jitter (local, %) | n/a" in markdown(measure(mute))


def test_the_table_shows_every_statistic():
    text = markdown(measure(cases(0.9)))
    assert text.count("\n| ") == 1 + len(NAMES) and text.count("| leaks |") == len(NAMES)
    assert "36 outputs of 12 songs" in text


def test_moments_in_closed_form():
    assert moments(np.array([1.0, 1, 1, 5])) == pytest.approx(
        (2, np.sqrt(3), 6 / np.sqrt(27), 21 / 9 - 3)
    )
    assert moments(np.array([2.0, 2, 2])) == (2, 0, 0, 0)
    assert np.isnan(moments(np.array([2.0]))).all()


def test_energy_of_a_full_scale_square_wave_is_0_db():
    np.testing.assert_allclose(energy_db(np.tile([1.0, -1.0], 800), 8000), 0, atol=1e-6)


def test_statistics_are_in_percent_and_of_voiced_frames():
    prosody = Prosody(np.array([0.0, 100, 200]), np.zeros(3), VoiceQuality(0.01, 0.05, 20.0))
    found = prosody.statistics()
    assert list(found) == NAMES
    assert found["pitch_hz_mean"] == 150 and found["jitter_percent"] == 1
    assert found["shimmer_percent"] == 5 and found["hnr_db"] == 20


PROMPTS = {"a1": "p1", "a2": "p2", "a3": "p1", "b1": "q1", "b2": "q2"}
SINGERS = {utt: utt[0] for utt in PROMPTS}


@pytest.mark.parametrize("seed", range(5))
def test_unpaired_prompts_are_the_paired_ones_exchanged_within_the_singer(seed):
    rng = np.random.default_rng(seed)
    prompts = {f"{singer}{k}": f"{singer}{k % 4 if k < 8 else rng.integers(4)}.wav"
               for singer in "ab" for k in range(11)}  # fmt: skip
    singers = {utt: utt[0] for utt in prompts}
    exchanged = exchanged_prompts(prompts, singers, 3, seed)
    assert exchanged.keys() == prompts.keys()
    for turn in range(3):
        given = {utt: paths[turn] for utt, paths in exchanged.items()}
        assert Counter(given.values()) == Counter(prompts.values())
        assert all(given[utt] != prompts[utt] and given[utt][0] == utt[0] for utt in prompts)


def test_outputs_that_find_no_partner_are_left_out_with_a_warning(caplog):
    """Were they compared, one recording would be paired more often than unpaired."""
    prompts = {"a1": "p", "a2": "p", "a3": "p", "a4": "q", "b1": "r"}
    exchanged = exchanged_prompts(prompts, {utt: utt[0] for utt in prompts})
    assert len(exchanged) == 2 and exchanged.pop("a4") == ["p"]
    assert list(exchanged.values()) == [["q"]]
    assert "2 of the 4 outputs of a are left out" in caplog.text
    assert "1 of the 1 outputs of b are left out" in caplog.text
    with pytest.raises(UserError, match="no singer with two prompts"):
        exchanged_prompts({"c1": "r", "c2": "r"}, {"c1": "c", "c2": "c"})


def test_unpaired_prompts_of_a_pool_are_others_of_the_singer():
    pool = {"a1": "own", "x": "p1", "y": "p9", "z": "q9"}
    owners = {"a1": "a", "x": "a", "y": "a", "z": "b"}
    drawn = drawn_prompts(PROMPTS, SINGERS, pool, owners, 5)
    assert drawn["a1"] == ["p9"] and sorted(drawn["a2"]) == ["own", "p1", "p9"]
    with pytest.raises(UserError, match="c1: no other recording of 'c'"):
        drawn_prompts({"c1": "r"}, {"c1": "c"}, {"c1": "r"}, {"c1": "c"})


def test_utterances_without_a_song_count_as_one_each_with_a_warning(tmp_path, caplog):
    write_table(tmp_path / "utt2song", {"a1": "s", "a2": "s"})
    assert groups(PROMPTS, tmp_path, "song") == {
        "a1": "s", "a2": "s", "a3": "a3", "b1": "b1", "b2": "b2",
    }  # fmt: skip
    assert "3 of 5 utterances have no song" in caplog.text
    write_table(tmp_path / "utt2spk", SINGERS)
    assert groups(PROMPTS, tmp_path, "singer") == SINGERS


def buzz(hz: float, sec: float = 0.8) -> np.ndarray:
    t = np.arange(int(sec * FS)) / FS
    wav = sum(np.sin(2 * np.pi * hz * k * t) / k for k in range(1, 12)) * 0.1
    return wav + np.random.default_rng(0).normal(size=len(wav)) * 1e-3


@pytest.fixture
def outputs(tmp_path):
    """Six outputs of two singers that sing their prompts' pitch, as tables."""
    tables = {"wav.scp": {}, "prompt.scp": {}, "utt2spk": {}, "utt2song": {}}
    for index, hz in enumerate((150, 190, 240, 260, 300, 370)):
        utt = f"u{index}"
        for name in ("wav.scp", "prompt.scp"):
            path = tmp_path / f"{utt}.{name}.wav"
            write_wav(path, buzz(hz * (1.01 if name == "wav.scp" else 1)), FS)
            tables[name][utt] = str(path)
        tables["utt2spk"][utt], tables["utt2song"][utt] = f"s{index % 2}", f"song{index}"
    for name, table in tables.items():
        write_table(tmp_path / name, table)
    return tmp_path


def status(argv: list[str]) -> int:
    """What a command ends with."""
    with pytest.raises(SystemExit) as end:
        main(argv)
    return end.value.code


def options(folder, *more) -> list[str]:
    tables = [f"--{name}_scp={folder}/{name}.scp" for name in ("wav", "prompt")]
    given = [*tables, f"--data_dir={folder}", f"--out_dir={folder}/out", "--f0_extractor=harvest"]
    return ["leakage", *given, *map(str, more)]


def test_a_table_of_any_systems_outputs(outputs, capsys):
    pytest.importorskip("pyworld")
    assert not status(options(outputs))
    table = read_json(outputs / "out" / "leakage.json")
    assert set(table["paired"]) == set(NAMES)
    assert table["paired"]["pitch_hz_mean"]["value"] < 5
    assert table["excess"]["pitch_hz_mean"]["low"] > 20
    assert table["tests"]["pitch_hz_mean"]["n_group"] == 6
    assert (outputs / "out" / "LEAKAGE.md").read_text().strip() == capsys.readouterr().out.strip()


def test_outputs_that_are_their_own_control_have_nothing_beyond_it(outputs):
    pytest.importorskip("pyworld")
    assert not status(options(outputs, "--control_scp", outputs / "wav.scp"))
    table = read_json(outputs / "out" / "leakage.json")
    assert table["excess"]["pitch_hz_mean"]["low"] > 20
    assert table["beyond"]["pitch_hz_mean"] == {"value": 0, "low": 0, "high": 0}
    assert table["tests"]["pitch_hz_mean"]["verdict"] == "none shown"


def test_unpaired_prompts_of_a_table_or_a_directory(outputs):
    pytest.importorskip("pyworld")
    other = {"u0": "u2", "u1": "u3", "u2": "u0", "u3": "u1", "u4": "u0", "u5": "u1"}
    paths = {utt: outputs / f"{theirs}.prompt.scp.wav" for utt, theirs in other.items()}
    write_table(outputs / "unpaired.scp", paths)
    assert not status(options(outputs, "--unpaired_scp", outputs / "unpaired.scp", "--by=singer"))
    table = read_json(outputs / "out" / "leakage.json")
    assert table["by"] == "singer" and table["n_group"] == 2
    (outputs / "wavs").mkdir()
    write_table(outputs / "wavs" / "wav.scp", {f"x{k}": path for k, path in paths.items()})
    pool = {f"x{utt}": f"s{int(utt[1]) % 2}" for utt in paths}
    write_table(outputs / "wavs" / "utt2spk", pool)
    assert not status(options(outputs, "--prompt_dir", outputs / "wavs", "--n_unpaired", 2))


@pytest.mark.parametrize(
    ("spoil", "more", "says"),
    [
        ("prompt.scp", [], "prompt.scp: no line for 'u5'"),
        ("utt2spk", [], "utt2spk: no line for 'u5'"),
        ("", ["--unpaired_scp", "{}/prompt.scp"], "prompt.scp: u0: its own prompt"),
        ("", ["--f0_extractor", "ear"], "--f0_extractor: 'ear'"),
        ("", ["--n_unpaired", "0"], "--n_unpaired: 0"),
        ("", ["--unpaired_scp", "x", "--prompt_dir", "y"], "--prompt_dir: given beside"),
    ],
)
def test_mistakes_are_one_line(outputs, capsys, spoil, more, says):
    if spoil:
        lines = (outputs / spoil).read_text().splitlines()[:-1]
        (outputs / spoil).write_text("\n".join(lines) + "\n")
    assert status(options(outputs, *(word.format(outputs) for word in more))) == 2
    error = capsys.readouterr().err.strip()
    assert re.search(says, error.splitlines()[-1]) and "Traceback" not in error


def test_a_pack_needs_recordings_to_prompt_it(tmp_path, capsys):
    given = ["--model", "no.zip", "--data_dir", str(tmp_path), "--out_dir", str(tmp_path)]
    assert status(["leakage", *given]) == 2
    assert "--prompt_dir: missing beside --model" in capsys.readouterr().err


def test_worlds_octave_is_an_octave():
    pyworld = pytest.importorskip("pyworld")
    wav = buzz(180, 1.0)
    middles = []
    for semitones in (-6, 6):
        shifted = shift_pitch(wav, FS, semitones)
        assert len(shifted) == len(wav) and np.abs(shifted).max() <= 0.98
        f0, _ = pyworld.dio(shifted, FS)
        middles.append(np.median(f0[f0 > 0]))
    assert middles[1] / middles[0] == pytest.approx(2, rel=0.01)


class Parrot:
    """Sings what prompts it, whatever the score."""

    fs = FS

    def encode_prompt(self, path):
        return read_wav(path)[0]

    def render_all(self, scores, prompts, seed):
        return list(prompts)


def test_a_score_is_sung_with_its_prompt_moved_down_and_up(outputs, tmp_path):
    pytest.importorskip("pyworld")
    write_table(tmp_path / "wav.scp", read_table(outputs / "prompt.scp"))
    singers = {"u0": "s0", "u3": "s1"}
    sources = draw_sources(list(singers), singers, tmp_path, seed=0)
    assert sources["u0"].split("/")[-1][:2] in ("u2", "u4")
    with pytest.raises(UserError, match="no recording of 's7'"):
        draw_sources(["u0"], {"u0": "s7"}, tmp_path, 0)
    tables = sing(Parrot(), dict.fromkeys(singers), sources, tmp_path / "sung")
    assert list(tables) == ["low", "high"]
    for side, (wavs, prompts) in tables.items():
        assert read_table(tmp_path / "sung" / "wav" / side / "wav.scp") == wavs
        assert read_table(tmp_path / "sung" / "prompts" / side / "wav.scp") == prompts
        for utt, path in wavs.items():
            np.testing.assert_array_equal(read_wav(path)[0], read_wav(prompts[utt])[0])
