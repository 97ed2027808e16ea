"""Numbers of docs/instructaudio.md are those of what the recipe measured."""

import json

from .claims import DOCS, bare, prose, rows, written_to

PAGE = DOCS / "instructaudio.md"
QUALITY = json.loads((DOCS / "results/instructaudio_judges.json").read_text())
HEARD = QUALITY["attribute_quality"]


def line(begins: str) -> str:
    (found,) = (row for row in PAGE.read_text().splitlines() if row.startswith(f"| {begins}"))
    return found


def of(attributes: str) -> str:
    return ", ".join(bare(2, HEARD[name]["accuracy"]) for name in attributes.split(", "))


def test_what_is_said_of_the_judges():
    melody = QUALITY["melody"]
    assert f"| {written_to(3, QUALITY['dev_per'])} |" in line("phone recogniser")
    pitch, corr = (written_to(3, melody[name]) for name in ("raw_pitch_acc", "f0_corr"))
    assert f"| {pitch}; {corr} |" in line("melody judge")
    for several in (
        "genre, rhythm, dialogue",
        "gender, instruments, style",
        "age, emotion, accent, atmosphere",
    ):
        assert f"| {of(several)} |" in line(f"attributes: {several}")
    passing = {name for name, quality in HEARD.items() if quality["accuracy"] >= 0.95}
    assert passing == {"genre", "rhythm", "dialogue"} and melody["raw_pitch_acc"] > 0.9
    assert QUALITY["dev_per"] > 0.10
    songs, talks, spoken = (HEARD[name]["n_utt"] for name in ("genre", "emotion", "dialogue"))
    sizes = f"{songs} songs, {talks} clips of speech by one person and {spoken - talks} dialogues"
    assert sizes in prose(PAGE)


def test_what_is_said_of_the_results():
    metrics = {(row["system"], row["split"]): row["metrics"] for row in rows("instructaudio.json")}
    page = prose(PAGE)
    names = ("instructaudio", "ground_truth", "vae_resynthesis", "instructaudio-average",
             "instructaudio-none")  # fmt: skip
    ours, real, resynthesis, average, none = (metrics[name, "test"] for name in names)
    for claim in (
        f"phones {bare(2, ours['speech_per'])} are wrong, against {bare(2, real['speech_per'])} of",
        f"training of the same length ({bare(2, average['speech_per'])} and "
        f"{bare(2, none['speech_per'])})",
        f"hardly understood ({bare(2, ours['song_per'])} of the phones are wrong; the judge "
        f"itself mistakes {bare(2, real['song_per'])} in recordings",
        f"frames {bare(2, ours['melody_acc'])} are in tune, "
        f"{bare(2, resynthesis['melody_acc'])} in the VAE's own resynthesis and "
        f"{bare(2, real['melody_acc'])} in recordings",
        f"in {bare(2, ours['acc_gender'])} of the utterances, which is chance",
        f"F0 correlation of .85 ({bare(2, ours['melody_corr'])})",
    ):
        assert claim in page, claim
    assert {row["system"] for row in rows("instructaudio.json")} == {*names, "vocoder_gt_mel"}


def test_no_description_of_the_other_gender_was_followed():
    found = json.loads((DOCS / "results/instructaudio_contradiction.json").read_text())
    assert {kind: of["follows"] for kind, of in found.items()} == {"song": 0, "speech": 0}
    sizes = f"of {found['song']['n_utt']} songs and {found['speech']['n_utt']} clips of speech"
    assert sizes in prose(PAGE)


def test_distances_are_those_of_the_songs_of_test():
    found = json.loads((DOCS / "results/instructaudio_frechet.json").read_text())["rows"]
    for row in found:
        if row["split"] == "test":
            fad, low, high = (f"{row[name]:.0f}" for name in ("value", "low", "high"))
            assert f"| {row['system']} | {fad} [{low}, {high}] |" in PAGE.read_text()
