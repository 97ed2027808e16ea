"""The GTSinger preparer on a small corpus in three languages, whole and with planted mistakes."""

import json
import math
from types import SimpleNamespace

import pytest

from espnet2_ext.bin import prepare as prepare_cli
from espnet2_ext.corpora.gtsinger import download, prepare
from espnet2_ext.errors import UserError
from espnet2_ext.files import read_table
from espnet2_ext.lint import lint_data_dir
from espnet2_ext.score.formats.espnet_format import read_scores
from espnet2_ext.score.formats.gtsinger import read_annotated
from espnet2_ext.score.formats.phone_set import phones_of
from espnet2_ext.score.phones import PHONES as OPENCPOP_PHONES

from .singer_layouts import save, write_gtsinger

SONGS = {
    "Chinese": ("曹操", "画心", "水星记"),
    "English": ("all is found", "my love", "Zombie"),
    "Korean": ("a", "b", "c"),
}


@pytest.fixture
def corpus(tmp_path):
    """Three songs in each of three languages, sung with and without breath."""
    write_gtsinger(tmp_path / "gtsinger", SONGS, fs=8000)
    return tmp_path / "gtsinger"


def titles(data_dir):
    return {utt.split("#")[2] for utt in read_table(data_dir / "utt2spk")}


def test_prepares_every_language_by_songs(corpus, tmp_path):
    out = tmp_path / "data"
    prepared = prepare(corpus, out)
    assert {item.name: item.n_utterances for item in prepared} == dict.fromkeys(
        ("train", "dev", "test"), 6
    )
    assert titles(out / "test") == {"画心", "my+love", "c"}  # ESPnet's, else the last by name
    assert titles(out / "dev") == {"曹操", "all+is+found", "b"}
    utt = "EN-Tenor-1#Breathy#my+love#Control_Group#0000"
    assert read_table(out / "test" / "utt2spk")[utt] == "EN-Tenor-1"
    assert read_table(out / "test" / "utt2lang")[utt] == "en"
    assert read_table(out / "test" / "text")[utt] == "AP T AY M HH AE P IY SP"
    assert read_table(out / "test" / "utt2tech")[utt] == "0 0 0 0 0 0 0 5 0"
    assert read_table(out / "test" / "utt2style")[utt] == (
        "singing_method=pop emotion=sad pace=slow range=high technique=Breathy group=Control_Group"
    )
    assert read_scores(out / "test")[utt].tempo == 88
    assert "CC BY-NC-SA 4.0" in (out / "train" / "LICENSE.txt").read_text()
    for name in ("train", "dev", "test"):
        phones = set(phones_of(out / name))
        assert phones >= set(OPENCPOP_PHONES) | {"ZH", "AY", "ko:ɨ"} and "AY1" not in phones
        assert lint_data_dir(out / name) == []


def test_one_language_with_lyrics_phones_or_its_own(corpus, tmp_path):
    prepare(corpus, tmp_path / "zh", ["zh"])
    assert phones_of(tmp_path / "zh" / "test") == OPENCPOP_PHONES
    utt = "ZH-Alto-1#Breathy#画心#Breathy_Group#0000"
    assert read_table(tmp_path / "zh" / "test" / "text")[utt] == "AP j iu y an an SP"
    prepare(corpus, tmp_path / "own", ["zh"], phones="own")
    assert read_table(tmp_path / "own" / "test" / "text")[utt] == "AP j iou ian ian SP"
    tech = read_table(tmp_path / "own" / "test" / "utt2tech")[utt]
    assert tech == "0 0 0 0 5 0"
    assert lint_data_dir(tmp_path / "own" / "test") == []


def test_speech_is_left_out(corpus, tmp_path):
    prepare(corpus, tmp_path / "data", ["ko"])
    for name in ("train", "dev", "test"):
        assert not any("Speech" in utt for utt in read_table(tmp_path / "data" / name / "wav.scp"))


def first(words, key, value):
    words[1][key] = value


MISTAKES = {
    "wrong count": (lambda w: w[1]["ph_end"].pop(), "word 1: ph_end: 2 items"),
    "negative": (lambda w: first(w, "note_dur", [-0.4]), "word 1: note_dur: item 1 is -0.4"),
    "no number": (
        lambda w: first(w, "note_start", [math.nan]),
        "word 1: note_start: item 1 is nan",
    ),
    "unsung": (lambda w: first(w, "note", [0]), "word 1: note: [0] for 'time'"),
    "phone": (lambda w: first(w, "ph", ["T", "AX", "M"]), "word 1: ph: item 2: unknown phone 'AX'"),
    "shifted phone": (
        lambda w: first(w, "ph_start", [0.3, 0.6, 0.7]),
        "phone 2: starts at 0.600 s, after a gap since 0.500 s",
    ),
    "overlapping phone": (
        lambda w: first(w, "ph_end", [0.6, 0.7, 0.9]),
        "phone 2: starts at 0.500 s, before the previous ends (0.600 s)",
    ),
    "more phones": (lambda w: first(w, "ph", ["T", "AY", "M", "T"]), "word 1: ph_start: 3 items"),
    "more notes": (lambda w: first(w, "note", [60, 62]), "word 1: note_dur: 1 items"),
    "gap": (lambda w: w.pop(1), "phone 1 'HH'"),
    "late label": (lambda w: w[-1].update(ph_end=[9.0]), "audio: label ends at 9.000 s"),
    "empty": (list.clear, "list (expected a list of words)"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_good_utterances_survive_and_bad_ones_are_named(corpus, tmp_path, name):
    change, text = MISTAKES[name]
    paths = sorted((corpus / "English").rglob("*.json"))
    words = json.loads(paths[0].read_text())
    change(words)
    save(paths[0], words)
    out = tmp_path / "data"
    prepare(corpus, out, ["en"], max_bad=0.2)
    rejected = (out / "rejected.txt").read_text().splitlines()
    assert len(rejected) == 1
    assert rejected[0].startswith(f"{paths[0]}: {text}") or name == "gap"
    assert str(paths[0]) in rejected[0]
    written = {u: s for d in ("train", "dev", "test") for u, s in read_scores(out / d).items()}
    assert len(written) == len(paths) - 1
    for path in paths[1:]:
        utt = "#".join(("EN-Tenor-1", "Breathy", *path.parts[-3:-1], path.stem)).replace(" ", "+")
        assert written[utt] == read_annotated(path).score


def test_missing_files_and_unknown_singers_are_named(corpus, tmp_path):
    folder = corpus / "English" / "EN-Tenor-1"
    songs = folder / "Breathy"
    (songs / "my love" / "Breathy_Group" / "0000.json").unlink()
    (songs / "Zombie" / "Breathy_Group" / "0000.wav").unlink()
    (corpus / "English" / "FR-Tenor-1" / "Breathy").mkdir(parents=True)
    moved = corpus / "English" / "FR-Tenor-1" / "Breathy" / "all is found"
    (songs / "all is found").rename(moved)
    prepare(corpus, tmp_path / "data", ["en", "zh"], max_bad=0.4)
    rejected = (tmp_path / "data" / "rejected.txt").read_text().splitlines()
    assert len(rejected) == 4
    for words in ("my love/Breathy_Group/0000.json: No such file", "no audio", "unknown singer"):
        assert any(words in line for line in rejected)


def test_no_corpus_and_too_few_songs_are_one_line(corpus, tmp_path, capsys):
    for options, words in (
        (["--corpus", str(tmp_path)], "huggingface.co/datasets/GTSinger/GTSinger"),
        (["--corpus", str(corpus), "--languages", "xx"], "languages: 'xx'"),
        (["--corpus", str(corpus), "--languages", "fr"], "no folder of 'fr'"),
    ):
        with pytest.raises(SystemExit) as stop:
            prepare_cli.main(["gtsinger", *options, "--out", str(tmp_path / "data")])
        assert stop.value.code == 2 and words in capsys.readouterr().err.splitlines()[-1]
    (corpus / "Korean" / "KO-Soprano-1" / "Breathy" / "c").rename(tmp_path / "c")
    with pytest.raises(UserError, match="songs: 2 songs"):
        prepare(corpus, tmp_path / "data")
    assert not (tmp_path / "data" / "train").exists()


def test_downloads_the_singing_of_the_languages_asked_for(tmp_path, monkeypatch):
    import huggingface_hub

    asked = SimpleNamespace()

    def fake(repository, **options):
        asked.repository, asked.options = repository, options

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fake)
    download(tmp_path, ["en"])
    assert asked.options["allow_patterns"][0] == "English/**.json"
    assert len(asked.options["allow_patterns"]) == 3
    assert asked.options["repo_type"] == "dataset"

    def fails(*args, **options):
        raise OSError("no network\nat all")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fails)
    with pytest.raises(UserError, match=r"huggingface.co: not to be had \(no network\)"):
        download(tmp_path)
