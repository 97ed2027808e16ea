"""Numbers of docs/instructaudio.md are those of what the recipe's judges were measured to be."""

import json

from .claims import DOCS, bare

QUALITY = json.loads((DOCS / "results/instructaudio_judges.json").read_text())


def line(begins: str) -> str:
    page = (DOCS / "instructaudio.md").read_text().splitlines()
    (found,) = (row for row in page if row.startswith(f"| {begins}"))
    return found


def test_what_is_said_of_the_judges():
    heard = QUALITY["attribute_quality"]

    def of(*names: str) -> str:
        return ", ".join(bare(2, heard[name]["accuracy"]) for name in names)

    assert f"| {three(QUALITY['dev_per'])} (" in line("phone recogniser")
    assert of("dialogue", "genre", "rhythm") in line("attributes")
    assert of("gender", "emotion", "instruments") in line("gender")
    assert of("style", "atmosphere", "age", "accent") in line("style")
    melody = QUALITY["melody"]
    assert f"| {three(melody['raw_pitch_acc'])} (the bar is .9); " in line("melody")
    assert line("melody").endswith(f"{three(melody['f0_corr'])} |")
    assert QUALITY["dev_per"] > 0.10 and melody["raw_pitch_acc"] < 0.9
    assert heard["genre"]["n_utt"] == 14 and heard["emotion"]["n_utt"] == 13
    assert heard["dialogue"]["n_utt"] == 17


def three(value: float) -> str:
    return f"{value:.3f}".removeprefix("0")
