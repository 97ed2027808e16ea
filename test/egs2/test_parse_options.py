"""The option parser of every recipe script."""

import subprocess

import pytest

from .recipes import ROOT

UTILS = ROOT / "egs2/TEMPLATE/speechlm1/utils"


def parse(tmp_path, *arguments):
    script = tmp_path / "script.sh"
    script.write_text(
        "set -euo pipefail\nstage=1\nskip_train=false\ntrain_args=\nhelp_message='the help'\n"
        f". {UTILS}/parse_options.sh\n"
        'echo "${stage}|${skip_train}|${train_args}|$*"\n'
    )
    return subprocess.run(
        ["bash", str(script), *arguments], capture_output=True, text=True, check=False
    )


def test_options_set_the_variables_that_have_defaults(tmp_path):
    done = parse(tmp_path, "--stage", "3", "--skip-train", "true",
                 "--train_args", "--x 1 $(touch bad) 'q'", "rest", "--stage")  # fmt: skip
    assert done.stdout == "3|true|--x 1 $(touch bad) 'q'|rest --stage\n"


def test_the_command_line_wins_over_a_configuration_file(tmp_path):
    (tmp_path / "c.sh").write_text("stage=5\nskip_train=true\n")
    done = parse(tmp_path, "--stage", "9", "--config", str(tmp_path / "c.sh"))
    assert done.stdout == "9|true||\n"


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--no_such", "1"], "unknown option --no_such"),
        (["--stage"], "--stage needs a value"),
        (["--skip_train", "maybe"], "expected true or false"),
        (["--stage=3"], "an argument of its own"),
        (["--config", "missing.sh"], "cannot read missing.sh"),
    ],
)
def test_a_wrong_option_is_one_line_and_status_2(tmp_path, arguments, named):
    done = parse(tmp_path, *arguments)
    assert done.returncode == 2 and done.stdout == ""
    assert len(done.stderr.splitlines()) == 1 and named in done.stderr


def test_help_has_every_option_with_its_default_and_meaning(tmp_path):
    assert parse(tmp_path, "--help").stdout.splitlines() == [
        "the help", "  --stage 1", "  --skip_train false", "  --train_args",
    ]  # fmt: skip
    done = subprocess.run(
        ["./speechlm_svs.sh", "--help"],
        cwd=ROOT / "egs2/mini_singing/speechlm1", capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert "  --stage 1                       first stage to run" in lines
    at = lines.index("  --inference_nj 1                shards of each model's inference "
                     "(rows of the table run side by side too);")  # fmt: skip
    assert lines[at + 1].split()[:2] == ["with", "--gpu_inference"]
    of_vocoder = lines.index("Vocoder (stages 12-13)")
    assert "  --vocoder_model valid.loss.best.pth" in lines[of_vocoder : of_vocoder + 9]
