"""What a pack says of itself refuses a song before a model is loaded."""

import re
import subprocess
import sys
import zipfile
from dataclasses import replace

import numpy as np
import pytest

from espnet2_ext.archive import extract
from espnet2_ext.audio.wav import write_wav
from espnet2_ext.errors import UserError
from espnet2_ext.files import read_json, write_json
from espnet2_ext.inference.pack_about import MANIFEST, PHONES, PackAbout
from espnet2_ext.inference.synthesizer import SingingSynthesizer
from espnet2_ext.score.formats.assemble import SungNote, assemble
from espnet2_ext.score.formats.json_format import write_json_score
from espnet2_ext.score.formats.read import read_score
from espnet2_ext.score.formats.write import write_score
from espnet2_ext.score.lyrics import japanese as lyrics_ja
from espnet2_ext.score.music_score import MusicScore, Note, Phone

from .conftest import ROOT

NOTES = (Note(0, 0.5, 0, "", ("SP",)), Note(0.5, 1.0, 60, "la", ("l", "a")))
# Runs `sing`, then says whether anything slow was imported.
SING = """
import sys
from espnet2_ext.bin.sing import main
try:
    main(sys.argv[1:])
except SystemExit as done:
    print("slow:", sorted({"torch", "librosa", "espnet2"} & sys.modules.keys()))
    sys.exit(done.code)
"""


def sing(folder, *arguments):
    env = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "HOME": str(folder)}
    return subprocess.run([sys.executable, "-c", SING, *map(str, arguments)], cwd=folder, env=env,
                          capture_output=True, text=True, timeout=300, check=False)  # fmt: skip


@pytest.fixture
def about(pack):
    return PackAbout.read(pack)


def test_it_is_read_from_archive_and_folder_alike(pack, about, tmp_path):
    assert about.languages == ("zh",) and about.only_language == "zh"
    assert about.midi_ranges == {"ann": (60, 60), "bo": (60, 60)}
    assert {"SP", "l", "a"} <= about.phones
    folder = extract(pack, tmp_path / "pack")
    assert PackAbout.read(folder) == about


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), r"note 2 \(la\): phone 'EY', of lyrics in English \(en\) \(expected a phone of the "
         r"pack, which sings Mandarin \(zh\)\)"),
        (("--singer", "eve"), r"singer: 'eve' is not in the pack \(expected ann, bo\)"),
        (("--semitones", "100"), r"bad.json: note 2: midi 160 outside 1-127"),
        (("--timing", "label"), r"bad.json: no phone times"),
        (("--seed", "-1"), r"--seed: -1 \(expected a whole number from 0 to 10\^18\)"),
        (("--score_out", "o.musicxml"), r"o.musicxml: --score_out: suffix '.musicxml'"),
        (("--part", "2"), r"part: given for a .json file \(expected language, utt\)"),
        (("--prompt", "silent.wav"), r"silent.wav: silence"),
        (("--prompt", "nowhere.wav"), r"nowhere.wav: no such file"),
    ],
)  # fmt: skip
def test_sing_refuses_before_anything_slow(pack, tmp_path, options, message):
    phones = ("l", "a") if "--prompt" in options else ("EY",)
    notes = (NOTES[0], replace(NOTES[1], phones=phones))
    write_json_score(tmp_path / "bad.json", MusicScore(notes, language="en"))
    write_wav(tmp_path / "silent.wav", np.zeros(24000), 24000)
    done = sing(tmp_path, "bad.json", "--model", pack, "-o", "o.wav", *options)
    assert done.returncode == 2 and done.stdout == "slow: []\n", done.stderr
    (line,) = done.stderr.splitlines()
    assert re.search(message, line), line
    assert not (tmp_path / "o.wav").exists()


@pytest.mark.parametrize("name", ["s.musicxml", "s.mid", "s.ust", "s.ustx", "s.ds", "s.json"])
def test_a_pack_of_one_language_reads_lyrics_in_it(name, tmp_path):
    sung = [SungNote(0.0, 0.5, 60, "か", "1"), SungNote(0.5, 1.0, 62, "な", "2")]
    score = assemble(sung, "s", 120.0, "ja")
    write_score(tmp_path / name, score)
    if name == "s.musicxml":  # as most programs write it
        text = (tmp_path / name).read_text().replace('xml:lang="ja"', "")
        (tmp_path / name).write_text(text)
    if name == "s.json":
        document = read_json(tmp_path / name)
        del document["language"]
        write_json(tmp_path / name, document)
    manifest = {"languages": ["ja"], "singers": {"aya": {"midi_range": [50, 70]}}}
    about = PackAbout.of(manifest, ["SP", *lyrics_ja.PHONES])
    read = read_score(tmp_path / name, default_language=about.only_language)
    assert [note.phones for note in read.notes if note.midi] == [("k", "a"), ("n", "a")]
    assert about.prepare(read, name, "aya").language == "ja"


def test_what_score_and_user_say_wins_over_the_packs_language(tmp_path):
    score = assemble([SungNote(0.0, 0.5, 60, "ni3", "1")], "s", 120.0, "zh")
    for name in ("s.musicxml", "s.json", "s.ust"):
        write_score(tmp_path / name, score)
        language = "zh" if name == "s.ust" else None  # which cannot say it
        assert read_score(tmp_path / name, language=language, default_language="ja").notes[
            0
        ].phones == ("n", "i")
    two = {"languages": ["ja", "zh"], "singers": {"a": {"midi_range": [1, 2]}}}
    assert PackAbout.of(two, []).only_language is None


def test_another_language_with_known_phones_is_sung_with_a_remark(about):
    score = MusicScore(NOTES, language="ja")
    assert about.prepare(score, "s") == score
    assert about.remarks(score, "ann") == ["lyrics in Japanese (ja); the pack sings Mandarin (zh)"]
    assert about.remarks(MusicScore(NOTES), "ann") == []
    low = MusicScore((replace(NOTES[1], start_sec=0, midi=40),))
    assert "notes 40 lie outside" in about.remarks(low, "ann")[0]


def test_a_label_that_begins_late_gets_a_rest_and_foreign_phones_are_named(about):
    late = MusicScore((Note(1.0, 2.0, 60, "la", ("l", "a")),),
                      (Phone(0.9, 1.0, "l", 0), Phone(1.0, 2.0, "a", 0)))  # fmt: skip
    ready = about.prepare(late, "s", "ann")
    assert [(n.start_sec, n.midi) for n in ready.notes] == [(0.0, 0), (1.0, 60)]
    assert [(p.phone, p.start_sec, p.note) for p in ready.phones] == [
        ("SP", 0.0, 0), ("l", 0.9, 1), ("a", 1.0, 1),
    ]  # fmt: skip
    later = replace(late, notes=(replace(late.notes[0], start_sec=0.0),))
    with pytest.raises(UserError, match=r"s: the first phone starts at 0.900 s, not at 0"):
        about.prepare(later, "s", "ann")
    foreign = replace(late, phones=(*late.phones[:1], Phone(1.0, 2.0, "zz", 0)))
    with pytest.raises(UserError, match=r"s: phone at 1.000 s: phone 'zz'"):
        about.prepare(foreign, "s", "ann")
    assert not about.prepare(foreign, "s", "ann", timing="model").phones


@pytest.mark.parametrize(
    ("manifest", "message"),
    [
        (b"[" * 100_000, "a number too long or lists too deep"),
        (b"{", "Expecting property name"),
        (b"\xff", "bytes that are not UTF-8"),
        (b"[]", "a list"),
        (b'{"format": 1, "languages": [], "singers": {}}', "singers: none"),
    ],
)
def test_an_archive_without_a_manifest_is_one_line(tmp_path, manifest, message):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(MANIFEST, manifest)
        archive.writestr(PHONES, "a")
    with pytest.raises(UserError, match=rf"a\.zip: manifest\.json:.*{message}"):
        PackAbout.read(tmp_path / "a.zip")


def test_what_is_no_pack_is_one_line(pack, tmp_path):
    (tmp_path / "cut.zip").write_bytes(pack.read_bytes()[:5000])
    with zipfile.ZipFile(tmp_path / "empty.zip", "w"):
        pass
    for path in (tmp_path, tmp_path / "nowhere.zip", tmp_path / "cut.zip", tmp_path / "empty.zip"):
        with pytest.raises(UserError, match=f"{path}: "):
            PackAbout.read(path)


def test_the_seed_reaches_the_models(pack):
    synthesizer = SingingSynthesizer.from_pretrained(pack)
    score = MusicScore(NOTES)
    a, b, c = (synthesizer(score, "ann", seed=seed).wav for seed in (1, 1, 2))
    assert np.array_equal(a, b) and not np.array_equal(a, c)


def test_batches_of_a_song_are_shown_and_change_nothing(pack, capsys):
    synthesizer = SingingSynthesizer.from_pretrained(pack)
    line = [replace(n, start_sec=n.start_sec + k, end_sec=n.end_sec + k)
            for k in range(24) for n in NOTES]  # fmt: skip
    score = MusicScore(tuple(line))
    whole = synthesizer(score, "ann").wav
    assert capsys.readouterr().err == ""
    steps = synthesizer.model.pipeline.steps
    lm = steps["speechlm"]
    steps["speechlm"] = replace(lm, decoding=replace(lm.decoding, batch_size=1))
    parts = synthesizer(score, "ann", progress=True).wav
    shown = capsys.readouterr().err
    assert "singing" in shown and "24/24" in shown
    assert len(whole) == len(parts)
    assert np.abs(whole - parts).max() < 5e-3 * np.abs(whole).max()  # sums of other shapes
