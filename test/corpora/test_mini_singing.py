"""A tiny corpus, made twice: determinism, exact labels and F0, resuming, layout."""

import hashlib

import numpy as np
import pytest
import soundfile

pytest.importorskip("espeakng_loader")

from espnet2_ext.audio.f0 import extract_f0
from espnet2_ext.audio.pitch import midi_to_hz
from espnet2_ext.audio.wav import read_wav
from espnet2_ext.bin import make_mini_singing
from espnet2_ext.corpora.mini.songs import SPLITS
from espnet2_ext.corpora.mini.voice import VOICED_INITIALS
from espnet2_ext.corpora.mini_singing import CorpusConfig, make_corpus
from espnet2_ext.corpora.opencpop import prepare
from espnet2_ext.errors import UserError
from espnet2_ext.files import read_scp, read_table, write_json
from espnet2_ext.score.formats.espnet_format import read_scores
from espnet2_ext.score.phones import INITIALS, is_final, is_rest

CONFIG = CorpusConfig(minutes=0.4, speech_minutes=0.1, singers=2, seed=3)


def digests(folder):
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    out = tmp_path_factory.mktemp("mini") / "corpus"
    assert make_corpus(out, CONFIG, nj=1)
    return out


@pytest.fixture(scope="module")
def data(corpus):
    out = corpus.parent / "data"
    prepare(corpus, out)
    return out


@pytest.mark.slow
def test_same_seed_same_samples_whatever_nj_and_interruption(corpus, tmp_path):
    out = tmp_path / "again"
    with pytest.raises(InterruptedError):
        make_interrupted(out)
    assert not (out / ".done").exists()
    assert make_corpus(out, CONFIG, nj=2)
    assert digests(out) == digests(corpus)
    assert not make_corpus(out, CONFIG, nj=2)


def make_interrupted(out):
    """Start a corpus in-process and stop at the third wav, as a kill would."""
    from espnet2_ext.corpora import mini_singing

    written = []
    real = mini_singing.write_wav

    def failing(path, *args, **kwargs):
        if len(written) == 2:
            raise InterruptedError
        written.append(path)
        real(path, *args, **kwargs)

    mini_singing.write_wav = failing
    try:
        make_corpus(out, CONFIG, nj=1)
    finally:
        mini_singing.write_wav = real


def test_other_options_in_the_same_place_are_refused(corpus):
    with pytest.raises(UserError, match="another seed"):
        make_corpus(corpus, CorpusConfig(minutes=0.4, speech_minutes=0.1, singers=2, seed=9))


def test_options_that_the_corpus_has_and_the_call_has_not_are_named(tmp_path):
    write_json(tmp_path / "corpus.json", {**CONFIG.recorded(), "freedom": 3.0})
    with pytest.raises(UserError, match="freedom"):
        make_corpus(tmp_path, CONFIG)


def test_foreign_directory_is_left_alone(tmp_path, capsys):
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(SystemExit) as stop:
        make_mini_singing.main(["--out", str(tmp_path)])
    assert stop.value.code == 2
    assert capsys.readouterr().err.strip().count("\n") == 0
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_everything_says_it_is_synthetic(corpus):
    wavs = sorted(corpus.rglob("*.wav"))
    assert wavs
    for path in wavs:
        with soundfile.SoundFile(path) as sound:
            assert "synthetic" in sound.comment.lower()
    for path in [*corpus.glob("midis/*"), corpus / "README.md", corpus / "LICENSE"]:
        assert b"synthetic" in path.read_bytes().lower()
    assert "synthetic" in (corpus / "singers.tsv").read_text()
    assert "synthetic" in (corpus / "corpus.json").read_text()


def in_step(data_dir, fs=24000):
    """Check that labels, audio and F0 are of one length and voiced together.

    Returns levels (dB) of rests and finals, F0 of finals against their notes (cents), and the share
    of each final's frames that are voiced.
    """
    cents, voiced = [], []
    levels = {"rest": [], "final": []}
    f0s = read_scp(data_dir / "true_f0.scp")
    wavs = read_table(data_dir / "wav.scp")
    for utt, score in read_scores(data_dir).items():
        wav, _ = read_wav(wavs[utt], fs)
        assert len(wav) == round(score.notes[-1].end_sec * fs)
        assert score.duration_sec == pytest.approx(score.notes[-1].end_sec, abs=1e-5)
        f0 = f0s[utt]
        assert len(f0) == len(wav) * 100 // fs
        times = np.arange(len(f0)) * 0.01
        for phone in score.phones:
            inside = (times >= phone.start_sec + 0.03) & (times < phone.end_sec - 0.03)
            samples = wav[int(phone.start_sec * fs) : int(phone.end_sec * fs)]
            level = 10 * np.log10(np.mean(samples**2) + 1e-12)
            if is_rest(phone.phone):
                assert not f0[inside].any()
                levels["rest"].append(level)
            elif is_final(phone.phone):
                levels["final"].append(level)
                voiced.append((f0[inside] > 0).mean() if inside.any() else 1.0)
                midi = 69 + 12 * np.log2(f0[inside][f0[inside] > 0] / 440)
                cents += list(100 * (midi - score.notes[phone.note].midi))
            elif phone.phone in INITIALS and phone.phone not in VOICED_INITIALS:
                assert not f0[inside].any()
    return levels, np.array(cents), np.array(voiced)


def test_labels_audio_and_f0_agree(data):
    for split in SPLITS:
        levels, cents, voiced = in_step(data / split)
        assert (voiced == 1).all()
        assert min(levels["final"]) > -40 > np.median(levels["rest"])
        assert np.mean(np.abs(cents) < 50) > 0.9
        assert np.abs(np.median(cents)) < 10


@pytest.mark.slow
@pytest.mark.parametrize("fs", [24000, 44100])
def test_many_singers_make_a_corpus(tmp_path, fs):
    config = CorpusConfig(minutes=0.3, speech_minutes=0.1, cast="many", singers=2, unseen=1, fs=fs)
    assert make_corpus(tmp_path / "corpus", config, nj=1)
    assert not make_corpus(tmp_path / "corpus", config, nj=1)
    data = tmp_path / "data"
    prepare(tmp_path / "corpus", data)
    cents, voiced = [], []
    for split in SPLITS:
        levels, of_split, shares = in_step(data / split, fs)
        assert min(levels["final"]) > -50 and np.median(levels["rest"]) < -40
        cents += list(of_split)
        voiced += list(shares)
    assert 0.7 < np.mean(voiced) < 1  # creak and breath take their share
    assert np.abs(np.median(cents)) < 15 and 0.6 < np.mean(np.abs(cents) < 50) < 0.95
    assert set(read_table(data / "speech" / "utt2spk").values()) == {"singer01", "singer02"}
    table = (tmp_path / "corpus" / "singers.tsv").read_text().splitlines()
    roles = [line.split("\t")[table[0].split("\t").index("role")] for line in table[1:]]
    assert roles == ["training", "held_out"]


def test_fundamental_of_the_audio_is_the_exported_one(data):
    """Comb energy: the true F0 explains voiced frames better than F0 a semitone off."""
    f0s = read_scp(data / "test" / "true_f0.scp")
    better = []
    for utt, path in read_table(data / "test" / "wav.scp").items():
        wav, fs = read_wav(path)
        f0 = f0s[utt]
        for frame in np.flatnonzero(f0)[::7]:
            centre = frame * 240
            chunk = wav[max(centre - 600, 0) : centre + 600]
            if len(chunk) < 1200 or np.ptp(f0[max(frame - 3, 0) : frame + 4]) > 0.02 * f0[frame]:
                continue

            def periodicity(hz, chunk=chunk, fs=fs):
                lag = round(fs / hz)
                return np.dot(chunk[lag:], chunk[:-lag]) / np.dot(chunk[lag:], chunk[lag:])

            better.append(periodicity(f0[frame]) > periodicity(f0[frame] * 2 ** (1 / 12)))
    assert len(better) > 50
    assert np.mean(better) > 0.95


def test_takes_differ_where_the_score_does_not(data):
    """Two takes of a phrase have the same notes but not the same labels."""
    from espnet2_ext.corpora.mini.performance import perform
    from espnet2_ext.corpora.mini.singers import roster

    score = next(iter(read_scores(data / "train").values()))
    lengths = {note.lyric: 0.1 for note in score.notes}
    takes = [perform(score, roster(2)[0], lengths, np.random.default_rng(i)) for i in range(2)]
    assert takes[0].score.notes == takes[1].score.notes
    assert takes[0].score.phones != takes[1].score.phones
    assert not np.allclose(takes[0].f0_hz, takes[1].f0_hz)


def test_speech_has_speakers_and_a_score_that_fits_its_audio(data):
    speakers = read_table(data / "speech" / "utt2spk")
    assert set(speakers.values()) == {"lan", "feng"}
    wavs = read_table(data / "speech" / "wav.scp")
    within = []
    for utt, score in read_scores(data / "speech").items():
        wav, fs = read_wav(wavs[utt])
        assert score.duration_sec == pytest.approx(len(wav) / fs, abs=1e-3)
        assert score.notes[-1].is_rest
        assert all(p.end_sec - p.start_sec > 0.015 for p in score.phones[:-1])
        f0 = extract_f0(wav, fs, fs // 100)
        for phone in score.phones:
            note = score.notes[phone.note]
            inside = f0[round(phone.start_sec * 100) : round(phone.end_sec * 100)]
            if is_final(phone.phone):
                assert (inside > 0).mean() > 0.6
                cents = 1200 * np.log2(np.median(inside[inside > 0]) / midi_to_hz(note.midi))
                within.append(abs(cents) < 120)
    assert np.mean(within) > 0.9
