"""The preparers of M4Singer and OpenSinger on small corpora, whole and with planted mistakes."""

import json

import numpy as np
import pytest

from espnet2_ext.audio.wav import write_wav
from espnet2_ext.bin import prepare as prepare_cli
from espnet2_ext.corpora.m4singer import TEST_SONGS, prepare
from espnet2_ext.corpora.opensinger import read_prompts
from espnet2_ext.corpora.preparer import Rejects
from espnet2_ext.errors import UserError
from espnet2_ext.files import read_table
from espnet2_ext.lint import lint_data_dir
from espnet2_ext.score.formats.espnet_format import read_scores
from espnet2_ext.score.formats.m4singer import PHONES, parse_item
from espnet2_ext.score.formats.phone_set import phones_of
from espnet2_ext.score.phones import PHONES as OPENCPOP_PHONES

from .singer_layouts import save, write_m4singer, write_opensinger

SONGS = ("Alto-1#暖暖", "Alto-1#十年", "Alto-1#如果", "Tenor-6#一千年 以后", "Tenor-6#童话")


@pytest.fixture
def corpus(tmp_path):
    """Five songs of three utterances; the first is one of the authors' test songs."""
    write_m4singer(tmp_path / "m4singer", SONGS, fs=8000)
    return tmp_path / "m4singer"


def ids(path):
    return list(read_table(path / "utt2spk"))


def test_prepares_the_authors_split(corpus, tmp_path):
    out = tmp_path / "data"
    prepared = prepare(corpus, out)
    assert {item.name: item.n_utterances for item in prepared} == {"train": 6, "dev": 6, "test": 3}
    assert {utt.rpartition("#")[0] for utt in ids(out / "test")} == {"Alto-1#暖暖"}
    assert {utt.rpartition("#")[0] for utt in ids(out / "dev")} == {"Alto-1#如果", "Tenor-6#童话"}
    assert "Tenor-6#一千年+以后#0000" in ids(out / "train")
    assert set(read_table(out / "test" / "utt2spk").values()) == {"Alto-1"}
    assert set(read_table(out / "test" / "utt2lang").values()) == {"zh"}
    assert "CC BY-NC-SA 4.0" in (out / "dev" / "LICENSE.txt").read_text()
    assert (out / "rejected.txt").read_text() == ""
    score = read_scores(out / "test")["Alto-1#暖暖#0001"]
    assert score.tempo == pytest.approx(70, abs=0.01)
    assert [note.lyric for note in score.notes] == ["你", "", "好"]
    for name in ("train", "dev", "test"):
        assert phones_of(out / name) == OPENCPOP_PHONES
        assert lint_data_dir(out / name) == []


def test_keeps_its_own_phones_when_asked(corpus, tmp_path):
    prepare(corpus, tmp_path / "data", phones="own")
    assert set(phones_of(tmp_path / "data" / "test")) == set(PHONES)
    text = read_table(tmp_path / "data" / "test" / "text")
    assert text["Alto-1#暖暖#0000"] == "AP j iou ian ian SP"
    assert lint_data_dir(tmp_path / "data" / "test") == []


def test_espnets_split_is_drawn_as_there(corpus, tmp_path, monkeypatch):
    import random

    from espnet2_ext.corpora import m4singer

    monkeypatch.setattr(m4singer, "_ESPNET_SET_SIZE", 3)
    prepare(corpus, tmp_path / "data", split="espnet")
    names = sorted(f"{song}#{n:04d}" for song in SONGS for n in range(3))
    random.seed(1234)
    random.shuffle(names)
    assert set(ids(tmp_path / "data" / "test")) == {"+".join(n.split()) for n in names[:3]}
    assert set(ids(tmp_path / "data" / "dev")) == {"+".join(n.split()) for n in names[3:6]}


def test_opensinger_gives_prompts_and_zero_shot_tests(corpus, tmp_path):
    write_opensinger(tmp_path / "os", {"ManRaw": (0,), "WomanRaw": (0, 3)}, fs=8000)
    out = tmp_path / "data"
    args = ["--corpus", str(corpus), "--out", str(out), "--prompts", str(tmp_path / "os")]
    with pytest.raises(SystemExit) as stop:
        prepare_cli.main(["m4singer", *args])
    assert stop.value.code == 0
    prompts = read_table(out / "opensinger" / "utt2spk")
    assert prompts["Woman-3_光年之外_1"] == "Woman-3" and len(prompts) == 6
    assert read_table(out / "opensinger" / "text")["Man-0_光年之外_0"].startswith("g an sh ou")
    assert "BY-NC-SA 2.0" in (out / "opensinger" / "LICENSE.txt").read_text()
    paired = read_table(out / "test_opensinger" / "utt2spk")
    assert sorted(paired.values()) == ["Woman-0", "Woman-0", "Woman-3"]  # Alto-1 sings
    assert set(paired.values()) <= set(prompts.values())
    licence = (out / "test_opensinger" / "LICENSE.txt").read_text()
    assert "M4Singer" in licence and "OpenSinger" in licence
    test, zero_shot = read_scores(out / "test"), read_scores(out / "test_opensinger")
    assert {utt.partition("_")[2]: score for utt, score in zero_shot.items()} == test
    for name in ("opensinger", "test_opensinger"):
        assert lint_data_dir(out / name) == []


def test_prompts_without_lyrics_have_no_text_and_bad_ones_are_named(tmp_path):
    write_opensinger(tmp_path, {"ManRaw": (0, 1)}, fs=8000)
    (tmp_path / "ManRaw/0_光年之外/0_光年之外_0.txt").unlink()
    (tmp_path / "ManRaw/0_光年之外/0_光年之外_1.txt").write_text("ABC 123")
    rejects = Rejects()
    entries = read_prompts(tmp_path, rejects)
    assert len(entries) == 4 and not any(entry.text for entry in entries)
    assert not rejects.errors
    tone = np.full(800, 0.1)
    write_wav(tmp_path / "ManRaw/0_光年之外/2_光年之外_0.wav", tone, 8000)  # unknown singer
    write_wav(tmp_path / "ManRaw/0_光年之外/光年之外.wav", tone, 8000)
    write_wav(tmp_path / "ManRaw/0_晴天/0_光年之外_0.wav", tone, 8000)  # again
    (tmp_path / "ManRaw/1_光年之外/1_光年之外_1.wav").write_bytes(b"RIFF")
    rejects = Rejects()
    assert len(read_prompts(tmp_path, rejects)) == 3
    found = sorted(f"{error.field}: {error.found}".split(" ")[0] for error in rejects.errors)
    assert found == [":", "audio:", "id:", "singer:"]
    assert all("ManRaw" in error.place for error in rejects.errors)
    with pytest.raises(UserError, match="no ManRaw or WomanRaw"):
        read_prompts(tmp_path / "ManRaw", Rejects())


# Field, what it becomes, how the item is named. The good items survive exactly.
MISTAKES = {
    "wrong count": ("notes", [57, 57, 0], "notes: 3 items"),
    "negative duration": ("ph_dur", [0.1, -0.4, 0.2, 0.1, 0.5], "ph_dur: item 2 is -0.4"),
    "no number": ("notes_dur", [0.1, float("nan"), 0.2, 0.1, 0.5], "notes_dur: item 2 is nan"),
    "note at a rest": ("notes", [57, 57, 55, 59, 59], "notes: item 3: phone 'SP' with note 55"),
    "late label": ("ph_dur", [0.1, 0.4, 0.2, 0.1, 0.9], "audio: label ends at 1.700 s"),
    "first slur": ("is_slur", [1, 0, 0, 0, 0], "is_slur: item 1 is a slur"),
    "unknown phone": ("phs", ["n", "qq", "<SP>", "h", "ao"], "phs: item 2: unknown phone 'qq'"),
    "no final": ("phs", ["n", "i", "<SP>", "h", "h"], "phs: item 4, 'h', has no final"),
    "twice": ("item_name", "Alto-1#十年#0000", "id: duplicate id"),
    "singer": ("item_name", "Mezzo-1#十年#0001", "item_name: unknown singer 'Mezzo-1'"),
    "name": ("item_name", "Alto-1#0001", "item_name: 'Alto-1#0001'"),
    "song": ("item_name", "Alto-1#没有#0001", "item_name: no folder"),
    "no lyrics": ("txt", 3, "txt: int"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_good_items_survive_and_bad_ones_are_named(corpus, tmp_path, name):
    field, value, words = MISTAKES[name]
    items = json.loads((corpus / "meta.json").read_text())
    assert items[4]["item_name"] == "Alto-1#十年#0001"
    items[4][field] = value
    save(corpus / "meta.json", items)
    out = tmp_path / "data"
    prepare(corpus, out, max_bad=0.1)
    rejected = (out / "rejected.txt").read_text().splitlines()
    assert len(rejected) == 1
    place = f"{corpus / 'meta.json'}: item 4 ({items[4]['item_name']}): "
    assert rejected[0].startswith(place + words)
    written = {u: s for d in ("train", "dev", "test") for u, s in read_scores(out / d).items()}
    good = items[:4] + items[5:]
    assert sorted(written) == sorted("+".join(item["item_name"].split()) for item in good)
    for item in good:
        _, score = parse_item(item, "t", written["+".join(item["item_name"].split())].tempo)
        assert written["+".join(item["item_name"].split())] == score


def test_missing_audio_midi_and_folders_named_otherwise(corpus, tmp_path):
    folder = corpus / "Alto-1#十年"
    (folder / "0000.wav").unlink()
    (folder / "0001.mid").unlink()
    (folder / "0002.mid").write_bytes(b"MThd")
    escaped = "Alto-1#如果".encode("unicode_escape").decode().replace("\\u", "#U")
    (corpus / "Alto-1#如果").rename(corpus / escaped)
    prepare(corpus, tmp_path / "data", max_bad=0.2)
    rejected = (tmp_path / "data" / "rejected.txt").read_text().splitlines()
    for line, words in zip(rejected, ("audio: no audio", "tempo: ", "tempo: "), strict=True):
        assert words in line
    assert "Alto-1#如果#0000" in ids(tmp_path / "data" / "dev")


def test_too_many_mistakes_and_no_corpus_are_one_line(corpus, tmp_path, capsys):
    def fails(*more):
        with pytest.raises(SystemExit) as stop:
            prepare_cli.main(["m4singer", "--out", str(tmp_path / "data"), *more])
        assert stop.value.code == 2
        error = capsys.readouterr().err.splitlines()[-1]
        assert not (tmp_path / "data" / "train").exists()
        return error

    items = json.loads((corpus / "meta.json").read_text())
    for item in items[:2]:
        item["notes"] = []
    save(corpus / "meta.json", items)
    assert "2 of 15 lines cannot be used" in fails("--corpus", str(corpus))
    error = fails("--corpus", str(tmp_path))
    assert "no meta.json" in error and "apply_form.md" in error
    save(corpus / "meta.json", [item for item in items if TEST_SONGS[0] not in item["item_name"]])
    assert "test: no utterance" in fails("--corpus", str(corpus))
