"""UTAU voicebanks: what is read of good ones, what is said of bad ones, and corpora of them."""

import numpy as np
import pytest
import soundfile

from espnet2_ext.audio.pitch import hz_to_midi
from espnet2_ext.bin import make_mini_singing
from espnet2_ext.corpora.mini.bank_voice import bank_singer, bank_units
from espnet2_ext.corpora.mini.config import CorpusConfig
from espnet2_ext.corpora.mini.songs import compose_corpus
from espnet2_ext.corpora.mini.voicebank import Voicebank
from espnet2_ext.corpora.mini_singing import make_corpus, prepare
from espnet2_ext.errors import UserError
from espnet2_ext.files import read_json, read_scp, read_table
from espnet2_ext.score.formats.espnet_format import read_scores
from espnet2_ext.score.formats.phone_set import phones_of

from . import sung_bank

FS = 16000


@pytest.fixture(scope="module")
def cv(tmp_path_factory):
    return sung_bank.cv_bank(tmp_path_factory.mktemp("banks") / "cv", fs=FS)


@pytest.fixture(scope="module")
def vcv(tmp_path_factory):
    return sung_bank.vcv_bank(tmp_path_factory.mktemp("banks") / "vcv", fs=FS)


def add_lines(root, lines):
    """Lines at the end of a bank's oto.ini."""
    path = root / "oto.ini"
    path.write_bytes(path.read_bytes() + "".join(f"{x}\r\n" for x in lines).encode("cp932"))


def test_a_cv_bank_has_its_morae_name_and_terms(cv):
    bank = Voicebank(cv)
    assert bank.name == "試験 Shiken" and not bank.rejects.errors
    assert {phones: bank.morae[phones] for phones in [("k", "a"), ("o",)]} == {
        ("k", "a"): "か", ("o",): "お"
    }  # fmt: skip
    assert len(bank.morae) == len(bank.samples) == len(sung_bank.MORAE)
    assert [name for name, _ in bank.terms] == ["character.txt", "readme.txt"]
    assert "自由に使えます" in dict(bank.terms)["readme.txt"]
    assert Voicebank(cv).digest == bank.digest


@pytest.mark.parametrize(
    "options", [{"fs": 8000, "channels": 2}, {"encoding": "utf-8"}, {"romaji": True, "fs": 48000}]
)
def test_rates_channels_encodings_and_romaji(tmp_path, options):
    options = {"fs": FS, **options}
    bank = Voicebank(sung_bank.cv_bank(tmp_path / "bank", **options))
    assert not bank.rejects.errors and ("k", "a") in bank.morae
    (name,) = (n for n in bank.samples if bank.samples[n].phones == ("s", "a"))
    unit = bank_units(bank, [name], FS)[name]
    assert unit.initial_sec == pytest.approx(sung_bank.CONSONANT_SEC, abs=0.006)
    assert unit.voiced[unit.onset :].all() and not unit.voiced[: unit.onset].any()


def test_a_vcv_bank_gives_each_mora_after_its_vowel(vcv):
    bank = Voicebank(vcv)
    ka = next(s for s in bank.syllables if s.written == "か")
    of = {before: bank.samples[bank.unit_of(ka, before)] for before in (None, "a", "i", "o", "N")}
    assert of[None].after_vowel is False and of["a"].after_vowel and of["i"].after_vowel
    assert of["a"].start_sec < of["i"].start_sec
    assert of["o"] == of["N"] == of[None]  # which the bank lacks: as after a rest
    units = bank_units(bank, [bank.unit_of(ka, before) for before in (None, "a")], FS)
    for before in (None, "a"):  # the vowel before is left out
        unit = units[bank.unit_of(ka, before)]
        assert unit.initial_sec == pytest.approx(sung_bank.CONSONANT_SEC, abs=0.016)
        assert not unit.voiced[: unit.onset].any()


def test_the_plainest_alias_sings_and_the_rest_is_left_alone(tmp_path):
    root = sung_bank.cv_bank(tmp_path / "bank", fs=FS)
    text = (root / "oto.ini").read_bytes()
    more = [f"_{i}.wav={alias},60,60,-300,70,10" for i, alias in
            enumerate(["か2", "か_C4", "k", "a R", "あ・", "っ", "強", "息", "a"])]  # fmt: skip
    (root / "oto.ini").write_bytes("".join(f"{x}\r\n" for x in more).encode("cp932") + text)
    bank = Voicebank(root)
    assert not bank.rejects.errors and len(bank.morae) == len(sung_bank.MORAE)
    assert bank.samples[":k a"].path.name == f"_{sung_bank.MORAE.index(('か', 'k', 'a'))}.wav"
    assert bank.breath is not None and bank.breath.path.name == "_7.wav"


HOSTILE = {
    "missing.wav=か,1,2,-300,4,5": "no recording",
    "../outside.wav=か,1,2,-300,4,5": "outside the voicebank",
    "/etc/passwd=か,1,2,-300,4,5": "outside the voicebank",
    "C:\\x.wav=か,1,2,-300,4,5": "outside the voicebank",
    "link.wav=か,1,2,-300,4,5": "outside the voicebank",
    "readme.txt=か,1,2,-300,4,5": "not readable as audio",
    "_0.wav=あ,99999,2,-300,4,5": "offset",
    "_0.wav=あ,-10,2,-300,4,5": "offset",
    "_0.wav=あ,50,60,-9000,10,5": "cutoff",
    "_0.wav=あ,50,60,-40,10,5": "cutoff",
    "_0.wav=あ,50,60,9000,10,5": "cutoff",
    "_0.wav=か,50,60,-300,0,5": "preutterance",
    "_0.wav=か,50,60,-300,-20,5": "preutterance",
    "_0.wav=か,50,sixty,-300,20,5": "consonant",
    "nonsense": "file.wav=alias",
    "a" * 300 + ".wav=か,1,2,-300,4,5": "ecording",
}


def test_each_bad_line_is_named_and_left_out(tmp_path):
    root = sung_bank.cv_bank(tmp_path / "bank", fs=FS)
    soundfile.write(tmp_path / "outside.wav", np.zeros(FS), FS)
    (root / "link.wav").symlink_to(tmp_path / "outside.wav")
    add_lines(root, HOSTILE)
    errors = [str(error) for error in Voicebank(root).rejects.errors]
    assert len(errors) == len(HOSTILE)
    for number, (error, wanted) in enumerate(zip(errors, HOSTILE.values(), strict=True), 1):
        assert f"oto.ini:{len(sung_bank.MORAE) + number}" in error and wanted in error
        assert "\n" not in error


@pytest.mark.parametrize(
    ("spoil", "wanted"),
    [
        (lambda root: (root / "oto.ini").unlink(), "no oto.ini"),
        (lambda root: (root / "oto.ini").write_text("か"), "0 Japanese morae"),
        (lambda root: (root / "oto.ini").write_bytes(b"a=\x81\xfd"), "Shift-JIS"),
        (lambda root: [p.unlink() for p in root.glob("*.wav")], "no recording"),
        (lambda root: (root / "readme.txt").write_bytes(b"\x81\xfd"), "readme.txt: neither"),
        (lambda root: [p.rename(p.with_suffix("")) for p in root.iterdir()], "no oto.ini"),
    ],
)
def test_a_bank_that_cannot_sing_is_one_line(tmp_path, spoil, wanted, capsys):
    root = sung_bank.cv_bank(tmp_path / "bank", fs=FS)
    spoil(root)
    out = tmp_path / "out"
    with pytest.raises(SystemExit) as stop:
        make_mini_singing.main(["--out", str(out), "--source", "voicebank", str(root)])
    said = capsys.readouterr().err.strip()
    assert stop.value.code == 2 and "\n" not in said and wanted in said


@pytest.mark.parametrize(
    "options",
    [
        ["--source", "voicebank"],
        ["--source", "espeak", "x"],
        ["--source", "utau", "x"],
        ["--source", "voicebank", "{bank}", "--singers", "2"],
        ["--source", "voicebank", "{bank}", "--unseen", "1"],
        ["--source", "voicebank", "{bank}", "--speech_minutes", "1"],
        ["--source", "voicebank", "{bank}", "--languages", "zh"],
    ],
)
def test_options_that_do_not_go_with_a_voicebank(tmp_path, cv, options, capsys):
    with pytest.raises(SystemExit) as stop:
        arguments = [option.format(bank=cv) for option in options]
        make_mini_singing.main(["--out", str(tmp_path / "out"), *arguments])
    assert stop.value.code == 2 and "\n" not in capsys.readouterr().err.strip()
    assert not (tmp_path / "out" / "corpus.json").exists()


def test_recordings_without_a_voice_are_named(tmp_path):
    root = sung_bank.cv_bank(tmp_path / "bank", fs=FS)
    sung_bank.write(root / "_0.wav", np.zeros(FS), FS)
    with pytest.raises(UserError, match=r"oto.ini:1: a vowel without pitch in _0.wav"):
        bank_units(Voicebank(root), [":a"], FS)
    soundfile.write(root / "_0.wav", np.full(FS, np.nan), FS, subtype="FLOAT")
    with pytest.raises(UserError, match=r"oto.ini:1.*not finite"):
        bank_units(Voicebank(root), [":a"], FS)
    for path in root.glob("*.wav"):
        sung_bank.write(path, np.zeros(FS), FS)
    with pytest.raises(UserError, match="no pitch"):
        bank_singer(Voicebank(root), None)


def test_the_singer_sings_where_the_bank_was_recorded(cv):
    bank = Voicebank(cv)
    singer = bank_singer(bank, None)
    assert singer.name == "Shiken"
    assert singer.low_midi < hz_to_midi(sung_bank.HZ) < singer.high_midi
    assert singer.speaking_hz == pytest.approx(sung_bank.HZ, rel=0.02)


def test_songs_use_the_morae_that_the_bank_has(vcv):
    bank = Voicebank(vcv)
    songs = compose_corpus(CorpusConfig(minutes=8, voicebank=str(vcv)), bank)
    assert not songs["test_singer"] and len(songs["test"]) >= 2
    words = {}
    for split in ("train", "test", "test_words"):
        sung = [
            (note.lyric, note.phones)
            for song in songs[split] for phrase in song.phrases for note in phrase.score.notes
            if not note.is_rest and not note.slur
        ]  # fmt: skip
        assert {name for name, _ in sung} <= set(bank.samples)
        words[split] = {phones for _, phones in sung}
    assert words["train"] == set(bank.morae)
    assert any(name.startswith("a:") for name, _ in sung)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["cv", "vcv"])
def test_a_voicebank_becomes_a_corpus_and_data_directories(tmp_path, kind):
    root = {"cv": sung_bank.cv_bank, "vcv": sung_bank.vcv_bank}[kind](tmp_path / "bank", fs=FS)
    cast = {"cv": "few", "vcv": "many"}[kind]
    config = CorpusConfig(minutes=0.3, voicebank=str(root), fs=FS, cast=cast)
    out = tmp_path / "corpus"
    assert make_corpus(out, config, nj=1)
    assert not make_corpus(out, config, nj=1)
    bank = Voicebank(root)
    recorded = read_json(out / "corpus.json")
    assert recorded["voicebank"] == {"name": bank.name, "sha256": bank.digest}
    assert str(root) not in (out / "corpus.json").read_text()
    prepare(out, tmp_path / "data")
    assert sorted(p.name for p in (tmp_path / "data").iterdir() if p.is_dir()) == [
        "dev", "test", "test_words", "train"
    ]  # fmt: skip
    terms = {"cv": "自由に使えます", "vcv": "CC0"}[kind]
    for split in ("train", "dev", "test", "test_words"):
        data = tmp_path / "data" / split
        assert terms in (data / "LICENSE.txt").read_text()
        assert set(read_table(data / "utt2lang").values()) == {"ja"}
        assert set(phones_of(data)) == {"SP", "AP", *(p for mora in bank.morae for p in mora)}
        f0s, scores = read_scp(data / "true_f0.scp"), read_scores(data)
        for utt, path in read_table(data / "wav.scp").items():
            wav, fs = soundfile.read(path)
            assert fs == FS and np.abs(wav).max() > 0.05
            assert scores[utt].duration_sec == pytest.approx(len(wav) / fs, abs=1e-3)
            off = []
            for phone in scores[utt].phones:
                f0 = f0s[utt][round(phone.start_sec * 100) + 3 : round(phone.end_sec * 100) - 3]
                if phone.phone in "aiueo":
                    off += list(hz_to_midi(f0[f0 > 0]) - scores[utt].notes[phone.note].midi)
            assert abs(np.median(off)) < 0.3
    if kind == "cv":
        (root / "readme.txt").write_bytes("何も許可しません".encode("cp932"))
        add_lines(root, ["_0.wav=い,50,60,-300,10,5"])
        with pytest.raises(UserError, match="another voicebank"):
            make_corpus(out, config, nj=1)


def test_a_bank_without_terms_is_warned_about(tmp_path, caplog):
    from espnet2_ext.corpora.mini.layout import write_notes
    from espnet2_ext.corpora.mini.songs import cast_of

    root = sung_bank.cv_bank(tmp_path / "bank", fs=FS)
    for name in ("character.txt", "readme.txt"):
        (root / name).unlink()
    bank = Voicebank(root)
    write_notes(tmp_path / "out", cast_of(CorpusConfig(voicebank=str(root)), bank), bank=bank)
    assert "terms of use are not known" in caplog.text
    assert "terms of use are not known" in (tmp_path / "out" / "LICENSE").read_text()
    assert "espeak" not in (tmp_path / "out" / "README.md").read_text().partition("\n\n")[2][:300]
