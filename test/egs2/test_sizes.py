"""The sizes of a corpus' recipe: what each asks for, and how long a larger corpus is trained on."""

import math
import subprocess
from pathlib import Path

import pytest

from espnet2_ext.files import read_yaml

RECIPES = Path(__file__).resolve().parents[2] / "egs2"
TEMPLATE = RECIPES / "TEMPLATE/speechlm1"
MINUTES_50 = 150_000


def shell(script: str, cwd: Path = TEMPLATE) -> list[str]:
    """Lines that a bash script prints, run where a recipe's scripts are sourced from."""
    command = ["bash", "-euo", "pipefail", "-c", f'log() {{ echo "$*"; }}\n{script}']
    return subprocess.run(
        command, cwd=cwd, stdout=subprocess.PIPE, text=True, check=True
    ).stdout.splitlines()


def longer(tmp_path: Path, config: str, frames: int, tuned_on: int = MINUTES_50) -> list[str]:
    table = tmp_path / "utt2num_frames"
    table.write_text(f"a {frames // 2}\nb {frames - frames // 2}\n")
    lines = shell(
        f". utils/steps.sh; this_stage=8; longer '{RECIPES / config}' '{table}' {tuned_on}; "
        'printf "%s\\n" "${more_steps[@]}"'
    )
    said = [line for line in lines if line.startswith("stage 8:")]
    options = [line for line in lines if line and line not in said]
    assert len(said) == bool(options)  # it says so where it does
    return options


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ("mini_singing/speechlm1/conf/train_speechlm.yaml", ["--num_iters_per_epoch", "600"]),
        (
            "mini_singing/speechlm1/conf/train_flow.yaml",
            ["--num_iters_per_epoch", "1500", "--scheduler_conf", "hold_steps=4800",
             "--scheduler_conf", "end_steps=12000"],
        ),
        (
            "mini_singing/speechlm1/conf/train_vocoder.yaml",
            ["--scheduler_conf", "total_steps=6000", "--num_iters_per_epoch", "1200"],
        ),
        (
            "mini_singing/svs1/conf/train_xiaoicesing_mel.yaml",
            ["--num_iters_per_epoch", "1140"],
        ),
    ],
)  # fmt: skip
def test_a_larger_corpus_is_passed_over_as_often(tmp_path, config, expected):
    """`--size small` trained 900 steps on any corpus: six times less of 5.2 hours of Opencpop."""
    opencpop = round(5.2 * 3600 * 50)
    assert longer(tmp_path, config, opencpop) == expected
    for frames, tuned_on in ((MINUTES_50, MINUTES_50), (9000, MINUTES_50), (opencpop, 0)):
        assert longer(tmp_path, config, frames, tuned_on) == []


def test_no_corpus_makes_a_training_longer_than_a_million_steps(tmp_path):
    ace = 128 * 3600 * 50
    conf = "mini_singing/speechlm1/conf"
    assert longer(tmp_path, f"{conf}/tuning/train_vocoder_nsf_hifigan.yaml", ace) == []
    steps = longer(tmp_path, f"{conf}/train_vocoder.yaml", 10 * ace)
    assert steps == ["--scheduler_conf", "total_steps=1000000", "--num_iters_per_epoch", "200000"]


@pytest.mark.parametrize("corpus", ["acesinger", "opencpop", "m4singer", "gtsinger"])
def test_each_size_asks_for_what_it_says(corpus):
    recipe = RECIPES / corpus / "speechlm1"
    for size, scaled, sampled in (
        ("paper", False, True), ("small", True, False), ("debug", False, False),
        ("gpu", True, False), ("gpu_44k", True, False), ("gpu_48k", True, False),
    ):  # fmt: skip
        words = shell(
            f'set -- --size {size}; . utils/sizes.sh; printf "%s\\n" "${{size_options[@]}}"', recipe
        )
        options = dict(zip(words[::2], words[1::2], strict=True))
        assert (options.get("--tuned_on_frames") == str(MINUTES_50)) == scaled
        assert (options.get("--flow_on_samples") == "true") == sampled
        for option, value in options.items():
            if option.endswith("_config"):
                assert (recipe / value).is_file(), value
        if size.startswith("gpu"):
            vocoder = read_yaml(recipe / options["--vocoder_config"])
            hop = read_yaml(recipe / options["--mel_config"])["hop_length"]
            assert vocoder["vocoder"] == "nsf_hifigan" and options["--ngpu"] == "1"
            assert math.prod(vocoder["vocoder_conf"]["upsample_scales"]) == hop
