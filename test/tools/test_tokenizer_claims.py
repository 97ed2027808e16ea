"""Numbers that docs/tokenizer.md draws from results are those of the JSON."""

from .claims import DOCS, prose, rows, written_to


def test_what_is_said_of_the_number_of_codebooks():
    of = {row["system"]: row for row in rows("acoustic_tokens.json")}
    text = prose(DOCS / "tokenizer.md")
    two, four, eight = (of[f"{n}_codebooks({50 * n}_per_sec)"] for n in (2, 4, 8))

    def said(metric: str, row: dict) -> str:
        return written_to(3, row["metrics"][metric])

    own = f"the PER is {said('per', four)} and the singer similarity {said('singer_sim', four)}"
    assert f"{own}. Eight have {said('per', eight)} and {said('singer_sim', eight)} for" in text
    assert {eight["difference"][m]["verdict"] for m in ("per", "singer_sim")} == {"tie"}
    assert f"Two have a PER of {said('per', two)}, which is" in text
    assert two["difference"]["per"]["verdict"] == "worse"
    mcd = [f"{row['metrics']['mcd_db']:.2f}" for row in (four, eight)]
    assert "from {} to {} dB".format(*mcd) in text
    assert f"correlation of {said('f0_corr', four)} to {said('f0_corr', eight)}" in text
    assert eight["difference"]["f0_corr"]["verdict"] == "better"

    differences = [row["difference"] for row in of.values() if "difference" in row]
    (n_song,) = {difference["mcd_db"]["n_song"] for difference in differences}
    assert n_song == 10 and 2 / 2**n_song * sum(map(len, differences)) > 0.05  # never told
    songs = eight["difference"]["per"]["n_song"]
    assert f"There are {four['n_utt']} utterances of {songs} songs" in text
