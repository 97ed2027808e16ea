"""Small corpora in the layout of real ones, for the tests of preparers and recipes."""

import io
import shutil
from pathlib import Path

import mido
import numpy as np
import soundfile

from espnet2_ext.audio.wav import write_wav
from espnet2_ext.score.formats.opencpop import parse_line
from espnet2_ext.score.frames import expand
from espnet2_ext.score.music_score import MusicScore


def sing(score: MusicScore, fs: int, seed: int = 0) -> np.ndarray:
    """The last phone of each note as harmonics of it, all else as soft noise: samples (N,)."""
    rng = np.random.default_rng(seed)
    frames = expand(score, {phone.phone: i for i, phone in enumerate(score.phones)}, 50)
    carriers = list({phone.note: i for i, phone in enumerate(score.phones)}.values())
    voiced = np.isin(frames.phone_index, carriers) & (frames.midi > 0)
    hz = np.where(voiced, 440.0 * 2 ** ((frames.midi - 69) / 12), 0.0)
    hz = np.repeat(hz, fs // 50)
    phase = 2 * np.pi * np.cumsum(hz) / fs
    wav = sum(np.sin(k * phase) / k for k in (1, 2, 3)) * (hz > 0)
    return (0.2 * wav + 0.003 * rng.normal(size=len(wav))).astype(np.float32)


def write_midi(path: Path, bpm: float, notes: list[tuple[float, float, int]] = ()) -> None:
    """A MIDI file of one tempo and track; notes as (start_sec, end_sec, midi)."""
    track = mido.MidiTrack([mido.MetaMessage("set_tempo", tempo=mido.bpm2tempo(bpm))])
    file = mido.MidiFile(tracks=[track], ticks_per_beat=480)
    events = [(s, 1, m) for s, _, m in notes] + [(e, 0, m) for _, e, m in notes]
    last = 0
    for sec, on, midi in sorted(events):
        tick = round(mido.second2tick(sec, 480, mido.bpm2tempo(bpm)))
        kind = "note_on" if on else "note_off"
        track.append(mido.Message(kind, note=midi, velocity=64, time=tick - last))
        last = tick
    path.parent.mkdir(parents=True, exist_ok=True)
    file.save(path)


# A line with a consonant that leads the beat, one with a slur, one with a breath.
OPENCPOP_LINES = (
    "{}|疯狂|f eng k uang SP|D#4/Eb4 D#4/Eb4 D4 D4 rest|0.5 0.5 0.7 0.7 0.3|0.1 0.35 0.15 0.6 0.3|"
    "0 0 0 0 0",
    "{}|啊|a a SP|C4 D4 rest|0.5 0.5 0.3|0.5 0.45 0.35|0 1 0",
    "{}|你好|n i AP h ao|A3 A3 rest B3 B3|0.4 0.4 0.3 0.6 0.6|0.1 0.3 0.25 0.1 0.55|0 0 0 0 0",
)


def write_opencpop(
    root: Path, songs: tuple[str, ...], song_per: int = 3, n_test: int = 1, fs: int = 24000
) -> dict[str, str]:
    """Opencpop as published: segments/, raw_data/midis/; the last `n_test` songs are test.

    Returns:
        The line of each utterance.
    """
    segments = root / "segments"
    lines: dict[str, str] = {}
    for number, song in enumerate(songs):
        write_midi(root / "raw_data" / "midis" / f"{song}.midi", 60 + 20 * number)
        for index in range(song_per):
            utt = f"{song}{index + 1:06d}"
            lines[utt] = OPENCPOP_LINES[index % len(OPENCPOP_LINES)].format(utt)
            _, score = parse_line(lines[utt], utt)
            write_wav(segments / "wavs" / f"{utt}.wav", sing(score, fs, len(lines)), fs)
    test = set(songs[len(songs) - n_test :])
    for name, chosen in (
        ("transcriptions", set(songs)),
        ("train", set(songs) - test),
        ("test", test),
    ):
        text = "".join(line + "\n" for utt, line in lines.items() if utt[:4] in chosen)
        (segments / f"{name}.txt").write_text(text, encoding="utf-8")
    return lines


def wav_bytes(wav: np.ndarray, fs: int) -> bytes:
    """A wav file in memory."""
    sound = io.BytesIO()
    soundfile.write(sound, wav, fs, format="WAV", subtype="PCM_16")
    return sound.getvalue()


def acesinger_row(singer: int, utt: str, fs: int = 24000) -> dict:
    """A row of ``espnet/ace-opencpop-segments``, as its card describes them."""
    _, score = parse_line(OPENCPOP_LINES[(int(utt[4:]) - 1) % 3].format(utt), utt, 80.0)
    phns = ["_".join(note.phones) for note in score.notes]
    phones = score.phones
    return {
        "audio": {
            "bytes": wav_bytes(sing(score, fs, singer), fs),
            "path": f"acesinger_{singer}#{utt}.wav",
        },
        "segment_id": f"acesinger_{singer}#{utt}",
        "transcription": "".join(note.lyric for note in score.notes if not note.slur),
        "singer": singer,
        "label": " ".join(f"{p.start_sec:.3f} {p.end_sec:.3f} {p.phone}" for p in phones),
        "tempo": 80,
        "note_midi": [float(note.midi) for note in score.notes],
        "note_phns": phns,
        "note_lyrics": ["—" if n.slur else p for n, p in zip(score.notes, phns, strict=True)],
        "note_start_times": [note.start_sec for note in score.notes],
        "note_end_times": [note.end_sec for note in score.notes],
        "phn": [phone.phone for phone in phones],
        "phn_start_time": [phone.start_sec for phone in phones],
        "phn_end_time": [phone.end_sec for phone in phones],
    }


def write_parquet(path: Path, rows: list[dict]) -> None:
    """A shard with the documented columns and types."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    texts, numbers = pa.list_(pa.string()), pa.list_(pa.float64())
    columns = {
        "audio": pa.struct({"bytes": pa.binary(), "path": pa.string()}),
        **{"segment_id": pa.string(), "transcription": pa.string(), "singer": pa.int64()},
        **{"label": pa.string(), "tempo": pa.int64(), "note_midi": numbers, "note_phns": texts},
        **{"note_lyrics": texts, "note_start_times": numbers, "note_end_times": numbers},
        **{"phn": texts, "phn_start_time": numbers, "phn_end_time": numbers},
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows, pa.schema(columns)), path)


def write_acesinger_parquet(root: Path, fs: int = 24000) -> None:
    """The hub's layout: two shards of train, one of validation and test, of three singers."""
    for shard, song, singers in (
        ("train-00000-of-00002", "2001", (1, 2)),
        ("train-00001-of-00002", "2002", (1, 30)),
        ("validation-00000-of-00001", "2003", (1,)),
        ("test-00000-of-00001", "2004", (2,)),
    ):
        rows = [acesinger_row(s, f"{song}{i:06d}", fs) for s in singers for i in (1, 2, 3)]
        write_parquet(root / f"{shard}.parquet", rows)


def write_acesinger_raw(
    root: Path, songs: tuple[str, ...], singers: tuple[int, ...], fs: int = 24000
) -> None:
    """The raw release: Opencpop's annotation, and the songs whole, sung after its MIDI."""
    lines = write_opencpop(root, songs, fs=8000)
    shutil.rmtree(root / "segments" / "wavs")
    for song in songs:
        now, melody, waves = 0.0, [], []
        for utt in (utt for utt in lines if utt.startswith(song)):
            _, score = parse_line(lines[utt], utt)
            sung = [n for n in score.notes if not n.is_rest]
            melody += [(now + n.start_sec, now + n.end_sec, n.midi) for n in sung]
            waves.append(np.concatenate([sing(score, fs), np.zeros(fs // 2)]))
            now += len(waves[-1]) / fs
        write_midi(root / "raw_data" / "midis" / f"{song}.midi", 120, melody)
        for singer in singers:
            wav = root / "lyrics" / f"{singer} anna" / song / f"{song}.wav"
            write_wav(wav, np.concatenate(waves), fs)
