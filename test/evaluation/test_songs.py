"""Songs are the units of intervals and tests."""

import numpy as np
import pytest

from espnet2_ext.evaluation.ablation import ablation_rows
from espnet2_ext.evaluation.measures import METRICS
from espnet2_ext.evaluation.paired import LEVEL, corrected, paired_test
from espnet2_ext.evaluation.songs import read_songs, songs_of, sum_by_song, with_songs
from espnet2_ext.evaluation.table import aggregate, summarize

from .test_paired import system, write_scores

BY_NAME = {metric.name: metric for metric in METRICS}
N_SONGS, N_UTTS = 7, 9


def of_songs(values: np.ndarray) -> list[dict]:
    """Utterances with MCDs (songs, utterances of each)."""
    songs = {f"u{k}": f"song{k // values.shape[1]}" for k in range(values.size)}
    return with_songs(system(mcd_db=values.ravel().tolist()), songs)


def test_sums_are_by_song_and_who_has_none_stands_alone():
    songs = songs_of([{"utt": "a", "song": "x"}, {"utt": "b"}, {"utt": "c", "song": "x"}, {}])
    assert songs == ["x", "b", "x", 3]
    values = np.array([[1.0, 10], [2, 20], [3, 30], [4, 40]])
    assert sum_by_song(songs, values).tolist() == [[4, 40], [2, 20], [4, 40]]


def test_an_interval_is_as_wide_as_the_songs_differ():
    rng = np.random.default_rng(3)
    level = rng.normal(7, 1, (N_SONGS, 1))  # of a song, whatever is sung of it
    values = level + rng.normal(0, 0.05, (N_SONGS, N_UTTS))
    _, (low, high) = aggregate(BY_NAME["mcd_db"], of_songs(values))
    _, (low_utt, high_utt) = aggregate(BY_NAME["mcd_db"], system(mcd_db=values.ravel().tolist()))
    expected = 2 * 1.96 * level.std() / N_SONGS**0.5
    assert high - low == pytest.approx(expected, rel=0.15)
    assert high_utt - low_utt < 0.5 * (high - low)  # too narrow by the root of 9
    row = summarize("s", "test", of_songs(values))
    assert (row["n_utt"], row["n_song"]) == (N_SONGS * N_UTTS, N_SONGS)


def test_seven_songs_do_not_bear_what_63_utterances_seem_to():
    rng = np.random.default_rng(0)
    ours = rng.normal(7, 0.1, (N_SONGS, N_UTTS))
    apart = np.array([[0.3], [0.3], [0.3], [0.3], [-0.2], [0.3], [-0.2]])  # by song
    test = paired_test(BY_NAME["mcd_db"], of_songs(ours), of_songs(ours + apart))
    assert (test.n_utt, test.n_song) == (63, 7)
    assert test.p_value > LEVEL and test.verdict == "tie"
    alone = [{**u, "song": ""} for u in of_songs(ours)]
    assert paired_test(BY_NAME["mcd_db"], alone, of_songs(ours + apart)).p_value < 1e-3


def test_of_many_tests_a_few_small_p_values_are_chance():
    ours, theirs = system(mcd_db=[1.0] * 6), system(mcd_db=[2.0] * 6)
    test = paired_test(BY_NAME["mcd_db"], ours, theirs)
    assert test.verdict == "better" and test.p_value == pytest.approx(2 / 2**6)
    many = corrected([test, test])
    assert [t.p_holm for t in many] == pytest.approx([2 * 2 / 2**6] * 2)
    assert [t.verdict for t in many] == ["tie", "tie"]


def test_the_songs_of_a_data_directory_reach_the_tables(tmp_path):
    utts = system(mcd_db=[1.0, 2.0, 3.0, 4.0])
    write_scores(tmp_path, {"a": utts, "b": utts})
    for name in "ab":
        (tmp_path / name / "test/utt2song").write_text("u0 x\nu1 x\nu2 y\nu3 y\n")
    assert read_songs(tmp_path / "a/test") == {"u0": "x", "u1": "x", "u2": "y", "u3": "y"}
    assert read_songs(tmp_path) == {}
    (row,) = ablation_rows(tmp_path, ["test"], ["a", "b"], "a")[1:]
    assert row["difference"]["mcd_db"]["n_song"] == 2
    assert row["difference"]["mcd_db"]["p_holm"] == 1
