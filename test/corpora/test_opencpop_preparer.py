"""The Opencpop preparer on a tiny layout, whole and with planted mistakes."""

import mido
import numpy as np
import pytest

from espnet2_ext.audio.wav import write_wav
from espnet2_ext.bin import prepare_opencpop
from espnet2_ext.corpora.opencpop import OPENCPOP_SINGER, prepare
from espnet2_ext.errors import UserError
from espnet2_ext.files import read_table
from espnet2_ext.score.espnet_format import read_scores

SONGS = ("2001", "2002", "2003")


def line(utt):
    return (
        f"{utt}|疯狂|f eng k uang SP|D#4/Eb4 D#4/Eb4 D4 D4 rest|0.5 0.5 1.0 1.0 0.5|"
        "0.1 0.35 0.15 0.9 0.5|0 0 0 0 0"
    )


def slurred(utt):
    return f"{utt}|啊|a a SP|C4 D4 rest|0.5 0.5 0.5|0.5 0.45 0.55|0 1 0"


@pytest.fixture
def corpus(tmp_path):
    """Three songs of two utterances; the third is the test song. No dev, no speakers: Opencpop."""
    root = tmp_path / "opencpop"
    utts = [f"{song}00000{index}" for song in SONGS for index in (1, 2)]
    lines = {utt: line(utt) if utt.endswith("1") else slurred(utt) for utt in utts}
    segments = root / "segments"
    (root / "raw_data" / "midis").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for utt in utts:
        seconds = 2.0 if utt.endswith("1") else 1.5
        write_wav(
            segments / "wavs" / f"{utt}.wav", 0.1 * rng.normal(size=int(8000 * seconds)), 8000
        )
    for song, bpm in zip(SONGS, (60, 80, 100), strict=True):
        track = mido.MidiTrack([mido.MetaMessage("set_tempo", tempo=mido.bpm2tempo(bpm))])
        mido.MidiFile(tracks=[track]).save(root / "raw_data" / "midis" / f"{song}.midi")
    (segments / "transcriptions.txt").write_text("\n".join(lines.values()) + "\n")
    (segments / "train.txt").write_text("\n".join(lines[u] for u in utts[:4]) + "\n")
    (segments / "test.txt").write_text("\n".join(lines[u] for u in utts[4:]) + "\n")
    return root


def test_prepares_opencpop_proper(corpus, tmp_path):
    out = tmp_path / "data"
    prepared = prepare(corpus, out, dev_songs=1)
    assert {item.name: item.n_utterances for item in prepared} == {"dev": 2, "test": 2, "train": 2}
    assert list(read_table(out / "train" / "wav.scp")) == ["2001000001", "2001000002"]
    assert list(read_table(out / "dev" / "wav.scp")) == ["2002000001", "2002000002"]
    assert set(read_table(out / "test" / "utt2spk").values()) == {OPENCPOP_SINGER}
    assert "NC" in (out / "test" / "LICENSE.txt").read_text()
    score = read_scores(out / "test")["2003000001"]
    assert score.tempo == pytest.approx(100, abs=0.01)
    assert [note.midi for note in score.notes] == [63, 62, 0]
    assert score.notes[1].start_sec == pytest.approx(0.5)
    assert score.phones[2].start_sec == pytest.approx(0.45)  # k leads the beat
    assert not (out / "test" / "true_f0.scp").exists()
    slur = read_scores(out / "test")["2003000002"]
    assert [note.slur for note in slur.notes] == [False, True, False]


def test_reads_dev_speakers_speech_licence_and_f0_where_present(corpus, tmp_path):
    segments = corpus / "segments"
    train = (segments / "train.txt").read_text().splitlines()
    (segments / "dev.txt").write_text("\n".join(train[2:]) + "\n")
    (segments / "train.txt").write_text("\n".join(train[:2]) + "\n")
    utts = [
        text.split("|")[0] for text in (segments / "transcriptions.txt").read_text().splitlines()
    ]
    (segments / "utt2spk").write_text("".join(f"{utt} singer{utt[3]}\n" for utt in utts))
    (segments / "f0").mkdir()
    for utt in utts:
        np.save(segments / "f0" / f"{utt}.npy", np.ones(150))
    (corpus / "LICENSE").write_text("mine\n")
    speech = corpus / "speech"
    write_wav(speech / "wavs" / "s1.wav", np.full(800, 0.1), 8000)
    (speech / "transcriptions.txt").write_text("s1|你好|ni3 hao3\n")
    (speech / "utt2spk").write_text("s1 singer1\n")
    out = tmp_path / "data"
    prepare(corpus, out)
    assert read_table(out / "dev" / "utt2spk")["2002000001"] == "singer2"
    assert (out / "dev" / "LICENSE.txt").read_text() == "mine\n"
    assert len(read_table(out / "dev" / "true_f0.scp")) == 2
    assert read_table(out / "speech" / "text") == {"s1": "n i h ao"}


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


MISTAKES = {
    "phone": ("transcriptions.txt", "2001000002|啊|a a", "2001000002|啊|a qq", "s.txt:2"),
    "count": ("transcriptions.txt", "0.5 0.45 0.55|0 1 0", "0.5 0.45|0 1 0", "s.txt:2"),
    "duplicate": ("transcriptions.txt", "2001000002", "2001000001", "s.txt:2"),
    "unknown id": ("test.txt", "2003000002", "2099000002", "test.txt:2"),
    "shared id": ("test.txt", "2003000002", "2001000002", "train.txt:2"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_are_named_by_file_and_line(corpus, tmp_path, name, capsys):
    file, old, new, place = MISTAKES[name]
    edit(corpus / "segments" / file, old, new)
    out = tmp_path / "data"
    with pytest.raises(SystemExit) as stop:
        prepare_opencpop.main(["--corpus", str(corpus), "--out", str(out), "--dev_songs", "1"])
    assert stop.value.code == 2
    error = capsys.readouterr().err.strip()
    assert place in error and error.count("\n") == 0
    assert not out.exists()


def test_missing_audio_midi_and_songs_are_named(corpus, tmp_path):
    out = tmp_path / "data"
    with pytest.raises(UserError, match="2 songs, 5 asked for dev"):
        prepare(corpus, out)
    wav = corpus / "segments" / "wavs" / "2002000001.wav"
    content = wav.read_bytes()
    wav.unlink()
    with pytest.raises(UserError, match=r"transcriptions.txt:3: no audio .*2002000001.wav"):
        prepare(corpus, out, dev_songs=1)
    wav.write_bytes(content)
    midi = corpus / "raw_data" / "midis" / "2001.midi"
    midi.write_bytes(midi.read_bytes()[:10])
    with pytest.raises(UserError, match=r"2001.midi: not readable as MIDI"):
        prepare(corpus, out, dev_songs=1)
    assert not out.exists()
