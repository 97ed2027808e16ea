"""The masked generators' recipe on the embedded corpus, whole, with its debug configurations."""

import json

from .recipes import SETS, finish, start, whole_checkout

SYSTEMS = {
    "ground_truth",
    "score_f0",
    "codec_resynthesis",
    "gt_semantic+comelsinger",
    "comelsinger",
}


def test_from_nothing_to_a_report_and_again_there_is_nothing_to_do(tmp_path):
    recipe = whole_checkout(tmp_path).parent / "comelsinger1"
    finish(start(recipe))
    results = json.loads((recipe / "exp/results.json").read_text())
    assert {(row["split"], row["system"]) for row in results} == {
        (split, system) for split in SETS for system in SYSTEMS
    }
    assert (recipe / "exp/report/index.html").is_file()
    said = finish(start(recipe))
    for number in range(1, 14):
        assert f"stage {number}: done before, nothing to do" in said

    finish(start(recipe, "--stage", "8", "--acoustic_args", "--seed 1", "--row", "seed1"))
    rows = {row["system"] for row in json.loads((recipe / "exp/results.json").read_text())}
    assert rows == SYSTEMS | {"seed1"}
