"""A tiny corpus, made and prepared: whole, in step, the sum of its stems, the same again."""

import hashlib

import numpy as np
import pytest
import soundfile

pytest.importorskip("espeakng_loader")

from espnet2_ext.audio.wav import read_wav
from espnet2_ext.bin import make_mini_song
from espnet2_ext.corpora import mini_song
from espnet2_ext.corpora.mini_song.config import SETS, SongConfig
from espnet2_ext.corpora.mini_song.making import make_corpus
from espnet2_ext.corpora.mini_song.mixing import level_db
from espnet2_ext.data.described import ATTRIBUTES, INSTRUCTIONS
from espnet2_ext.errors import UserError
from espnet2_ext.files import read_jsonl_table, read_table
from espnet2_ext.lint import lint_data_dir
from espnet2_ext.score.formats.espnet_format import read_scores

FS = 16000
CONFIG = SongConfig(song_minutes=0.1, speech_minutes=0.1, speakers=2, seed=1, fs=FS)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    out = tmp_path_factory.mktemp("song") / "corpus"
    assert make_corpus(out, CONFIG)
    return out


@pytest.fixture(scope="module")
def data(corpus):
    mini_song.prepare(corpus, corpus.parent / "data")
    return corpus.parent / "data"


def test_data_directories_are_whole(data):
    for name in SETS:
        assert not lint_data_dir(data / name, FS, level="header")
        attributes = read_jsonl_table(data / name / ATTRIBUTES)
        instructions = read_jsonl_table(data / name / INSTRUCTIONS)
        assert list(attributes) == list(instructions) == list(read_table(data / name / "wav.scp"))
        assert {a["kind"] for a in attributes.values()} == {"song", "speech", "dialogue"}
        languages = read_table(data / name / "utt2lang")
        assert {utt: a["language"] for utt, a in attributes.items()} == languages
        for utt, scores in read_scores(data / name).items():
            assert 1 < scores.duration_sec < 20, utt


def test_a_mix_is_the_sum_of_its_stems_and_the_vocal_is_above(data):
    for name in SETS:
        mixes = read_table(data / name / "wav.scp")
        vocals, bands = (
            read_table(data / name / f"{stem}.scp") for stem in ("vocal", "accompaniment")
        )
        attributes = read_jsonl_table(data / name / ATTRIBUTES)
        songs = {utt for utt, a in attributes.items() if a["kind"] == "song"}
        assert set(vocals) == set(bands) == songs
        for utt in songs:
            mix, vocal, band = (
                soundfile.read(table[utt], dtype="int16")[0].astype(int)
                for table in (mixes, vocals, bands)
            )
            assert np.array_equal(mix, vocal + band) and np.abs(mix).max() < 32000
            assert 9 < level_db(vocal / 32768, FS) - level_db(band / 32768, FS) < 11


def test_a_dialogue_has_tags_where_its_turns_begin(data):
    for name in SETS:
        texts = read_table(data / name / "text")
        wavs = read_table(data / name / "wav.scp")
        scores = read_scores(data / name)
        for utt, a in read_jsonl_table(data / name / ATTRIBUTES).items():
            if a["kind"] != "dialogue":
                assert "[S" not in texts[utt]
                continue
            tags = [turn["tag"] for turn in a["turns"]]
            assert tags[:2] == ["[S0]", "[S1]"] == [who["tag"] for who in a["speakers"]]
            assert [word for word in texts[utt].split() if word[0] == "["] == tags
            assert read_table(data / name / "utt2num_spk")[utt] == "2"
            wav, _ = read_wav(wavs[utt], FS)
            starts = [p.start_sec for p in scores[utt].phones if p.phone not in ("SP", "AP")]
            for turn, following in zip(a["turns"], [*a["turns"][1:], None], strict=True):
                assert min(abs(turn["start_sec"] - start) for start in starts) < 2e-3
                if following is not None:
                    pause = wav[int(turn["end_sec"] * FS) : int(following["start_sec"] * FS)]
                    assert len(pause) > 0.15 * FS
                    assert np.abs(pause[-int(0.1 * FS) : -int(0.01 * FS)]).max() < 1e-3


@pytest.mark.slow
def test_the_same_options_give_the_same_samples(corpus, tmp_path):
    assert make_corpus(tmp_path / "again", CONFIG, nj=2)

    def digests(folder):
        return {
            str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }

    assert digests(tmp_path / "again") == digests(corpus)


def test_a_whole_corpus_is_left_and_other_options_are_refused(corpus, capsys):
    assert not make_corpus(corpus, CONFIG)
    with pytest.raises(UserError, match="another seed"):
        make_corpus(corpus, SongConfig(song_minutes=0.1, speech_minutes=0.1, speakers=2, fs=FS))


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--speakers", "1"], "needs at least 2"),
        (["--song_minutes", "0"], "song_minutes 0.0: needs more than 0"),
        (["--fs", "8000"], "16000-48000"),
        (["--soundfont", "/none.sf2"], "soundfont"),
        (["--nj", "0"], "--nj"),
    ],
)
def test_a_wrong_option_is_one_line(options, named, tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        make_mini_song.main(["--out", str(tmp_path / "x"), *options])
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert stop.value.code == 2 and named in line


def test_a_corpus_that_is_not_whole_is_not_prepared(tmp_path):
    with pytest.raises(UserError, match=r"no \.done"):
        mini_song.prepare(tmp_path, tmp_path / "data")
