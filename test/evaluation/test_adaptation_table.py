import pytest

from espnet2_ext.bin import report
from espnet2_ext.evaluation.adaptation import read_run
from espnet2_ext.evaluation.measures import METRICS
from espnet2_ext.files import read_json, write_json


@pytest.fixture
def folders(tmp_path):
    for name, trained, losses in (("scratch", 100, (9.0, 7.0)), ("lora", 40, (6.5, 6.0))):
        exp = tmp_path / f"speechlm_{name}"
        write_json(exp / "parameters.json", {"corelm": [trained, 100], "all": [trained, 100]})
        history = [
            {"epoch": k + 1, "train": {"total_count": 50 * (k + 1)}, "valid": {"loss": loss}}
            for k, loss in enumerate(losses)
        ]
        write_json(exp / "history.json", history)
        for split in ("dev", "test"):
            metrics = {m.name: None for m in METRICS} | {"per": 0.125 if name == "lora" else 0.5}
            summary = {"system": name, "split": split, "metrics": metrics, "ci95": {}}
            write_json(tmp_path / "scores" / name / split / "summary.json", summary)
    return tmp_path


def test_the_table_has_curves_and_scores_in_the_order_asked_for(folders, capsys):
    exps = [str(folders / f"speechlm_{name}") for name in ("scratch", "lora")]
    options = ["--scores_dir", str(folders / "scores"), "--out_dir", str(folders / "out")]
    with pytest.raises(SystemExit, match="0"):
        report.main(["adaptation", "--exp_dirs", *exps, "--prefix", "speechlm_", *options])
    text = capsys.readouterr().out
    assert "| scratch | 100 of 100 | 9.000 | 7.000 |" in text
    assert "| lora | 40 of 100 | 6.500 | 6.000 |" in text
    assert "| lora | 0.125 | n/a | n/a | n/a | n/a |" in text
    assert text.index("| scratch | 0.5") < text.index("| lora | 0.1")
    assert (folders / "out" / "ADAPTATION.md").read_text() == text.removesuffix("\n")
    assert len(read_json(folders / "out" / "adaptation.json")["scores"]) == 4


def test_an_epoch_that_diverged_has_no_loss(folders):
    history = read_json(folders / "speechlm_lora/history.json")
    history[1]["valid"]["loss"] = float("nan")
    write_json(folders / "speechlm_lora/history.json", history)
    assert read_run(folders / "speechlm_lora").valid_loss == {50: 6.5}


def test_an_untrained_experiment_is_named(folders, capsys):
    with pytest.raises(SystemExit, match="2"):
        report.main(
            ["adaptation", "--exp_dirs", str(folders / "nothing"),
             "--scores_dir", str(folders / "scores"),
             "--out_dir", str(folders)]
        )  # fmt: skip
    assert "nothing/parameters.json" in capsys.readouterr().err
