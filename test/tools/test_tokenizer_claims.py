"""Numbers that docs/tokenizer.md draws from results are those of the JSON."""

from .claims import DOCS, prose, rows, written_to


def test_what_is_said_of_the_number_of_codebooks():
    of = {row["system"]: row for row in rows("acoustic_tokens.json")}
    text = prose(DOCS / "tokenizer.md")
    four, eight = (of[name] for name in ("4_codebooks(200_per_sec)", "8_codebooks(400_per_sec)"))

    def said(metric: str, row: dict) -> str:
        return written_to(3, row["metrics"][metric])

    assert (
        f"the PER is {said('per', four)} and the singer similarity {said('singer_sim', four)}"
        in text
    )
    assert f"with eight {said('per', eight)} and {said('singer_sim', eight)} for" in text
    mcd = [f"{row['metrics']['mcd_db']:.2f}" for row in (four, eight)]
    assert "from {} to {} dB".format(*mcd) in text
    assert f"correlation of {said('f0_corr', four)} to {said('f0_corr', eight)}" in text
    for metric in ("per", "singer_sim"):
        assert eight["difference"][metric]["verdict"] == "tie"
    assert eight["difference"]["f0_corr"]["verdict"] == "better"
    fewer = of["2_codebooks(100_per_sec)"]
    assert fewer["metrics"]["per"] > four["metrics"]["per"]
    assert fewer["metrics"]["singer_sim"] < four["metrics"]["singer_sim"]
    (n_song,) = {
        row["difference"]["mcd_db"]["n_song"] for row in of.values() if "difference" in row
    }
    tests = [test for row in of.values() for test in row.get("difference", {}).values()]
    assert n_song == 10 and 2 / 2**n_song * len(tests) > 0.05
    assert (
        f"There are {four['n_utt']} utterances of {eight['difference']['per']['n_song']} songs"
        in text
    )
