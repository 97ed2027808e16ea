"""Data directories as judges learn from them."""

import hashlib
import json
import logging
import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from espnet2_ext.audio.wav import read_wav
from espnet2_ext.digest import digest_files
from espnet2_ext.errors import UserError
from espnet2_ext.files import read_scp, read_table
from espnet2_ext.judges.network import FRAME_SHIFT_SEC, judge_mel
from espnet2_ext.judges.recording import Recording, Span
from espnet2_ext.metrics.per import sung_phones
from espnet2_ext.score.formats.espnet_format import read_scores

TRUE_F0 = "true_f0.scp"


def choose(utts: Sequence[str], limit: int | None, seed: int = 0) -> list[str]:
    """At most `limit` utterances, drawn by `seed`, in their own order."""
    if limit is None or limit >= len(utts):
        return list(utts)
    kept = set(random.Random(seed).sample(sorted(utts), limit))
    return [utt for utt in utts if utt in kept]


def require(table: dict[str, str], utt: str, place: Path) -> str:
    if utt not in table:
        raise UserError(place, f"no line for {utt!r}", "each utterance once")
    return table[utt]


def load_recordings(folder: str | Path, limit: int | None = None) -> dict[str, Recording]:
    """Read the singing of a data directory: wav.scp, utt2spk, label, score.scp.

    Args:
        limit: Take at most this many utterances, drawn by a fixed seed.
    """
    folder = Path(folder)
    wavs, singers = read_table(folder / "wav.scp"), read_table(folder / "utt2spk")
    scores = read_scores(folder)
    recordings = {}
    for utt in choose(list(wavs), limit):
        if utt not in scores:
            raise UserError(folder / "score.scp", f"no line for {utt!r}", "each id of wav.scp")
        score = scores[utt]
        mel = judge_mel(*read_wav(wavs[utt]))
        spans = tuple(
            Span(
                min(len(mel), round(p.start_sec / FRAME_SHIFT_SEC)),
                min(len(mel), round(p.end_sec / FRAME_SHIFT_SEC)),
                p.phone,
                sounded,
            )
            for p, sounded in zip(score.phones, score.sounded, strict=True)
        )
        recording = Recording(
            mel,
            tuple(sung_phones(score)),
            spans,
            require(singers, utt, folder / "utt2spk"),
            score.language,
        )
        if recording.trainable:
            recordings[utt] = recording
        else:
            logging.warning("%s: %s is too short for its phones: left out", folder, utt)
    if not recordings:
        raise UserError(folder / "wav.scp", "no usable utterance", "singing with its score")
    return recordings


def digest_data(folder: str | Path) -> str:
    """Hash of all that judges learn from a data directory, and are measured on.

    Audio, scores and known F0 count by their content, wherever they lie; speakers, labels and
    languages as the tables have them.
    """
    folder = Path(folder)
    total = hashlib.sha256()
    for name in ("utt2spk", "label", "utt2lang"):
        table = read_table(folder / name) if (folder / name).is_file() else {}
        total.update(json.dumps([name, table]).encode())
    for name in ("wav.scp", "score.scp"):
        table = read_table(folder / name) if (folder / name).is_file() else {}
        for utt, path in table.items():
            if not Path(path).is_file():
                raise UserError(f"{folder / name}: {utt}", f"no such file {path}", "a file")
            total.update(json.dumps([name, utt, digest_files(path)]).encode())
    if (folder / TRUE_F0).is_file():
        for utt, f0 in read_scp(folder / TRUE_F0).items():
            total.update(json.dumps([utt, len(f0)]).encode() + np.asarray(f0).tobytes())
    return total.hexdigest()


def known_f0(
    folder: str | Path, period_sec: float, limit: int | None
) -> Iterator[tuple[np.ndarray, int, np.ndarray, np.ndarray]]:
    """Recordings of a data directory whose F0 is known, as `judges.f0.qualify` takes them.

    Args:
        folder: With ``true_f0.scp``: F0 vectors (Hz, 0 where unvoiced), a value every `period_sec`
            from 0.
    """
    true_f0 = Path(folder) / TRUE_F0
    wavs, truth = read_table(Path(folder) / "wav.scp"), read_scp(true_f0)
    utts = [utt for utt in wavs if utt in truth]
    if not utts:
        raise UserError(true_f0, f"no utterance of {folder}", "F0 of its recordings")
    for utt in choose(utts, limit):
        wav, fs = read_wav(wavs[utt])
        f0 = np.asarray(truth[utt], np.float64).reshape(-1)
        yield wav, fs, np.arange(len(f0)) * period_sec, f0
