"""Data directories for ESPnet's SVS tasks, from a recipe's dump/raw and dump/tokens."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from espnet2_ext.audio.mel import MelConfig
from espnet2_ext.data.utterances import Utterances
from espnet2_ext.errors import UserError
from espnet2_ext.files import ArkWriter, read_counts, read_scp, read_table, write_table
from espnet2_ext.score.formats.espnet_format import write_scores
from espnet2_ext.score.frames import round_boundaries
from espnet2_ext.score.music_score import MusicScore
from espnet2_ext.tokenizer.align import extend_with_rest
from espnet2_ext.tokenizer.dump import NUM_FRAMES, SCORE_FRAMES

MAX_PHONES = 4
"""Phones of a note that ESPnet knows shares for (the keys of SVSPreprocessor's phn_seg)."""
DISCRETE_TOKEN, PITCH, PITCH_HZ, SIDS = "discrete_token", "pitch", "pitch_hz", "utt2sid"


@dataclass(frozen=True)
class SVSData:
    """Where a set's data come from.

    Args:
        data_dir: dump/raw/SET.
        token_dir: dump/tokens/SET.
        root: Folder that the paths in the tables of `data_dir` start from.
        mel: The recipe's clock.
    """

    data_dir: Path
    token_dir: Path
    root: Path
    mel: MelConfig


def singer_ids(utt2spk: str | Path) -> dict[str, int]:
    """Numbers of the singers of the training set, from 1 as ESPnet's recipes count them."""
    singers = sorted(set(read_table(utt2spk).values()))
    return {singer: number for number, singer in enumerate(singers, 1)}


def phone_frames(score: MusicScore, n_frames: int, fps: float) -> np.ndarray:
    """Frames of each phone, (P,), summing to `n_frames`; rounded as the tokens' scores are."""
    ends = [phone.end_sec for phone in score.phones]
    return round_boundaries([*(min(end, n_frames / fps) for end in ends[:-1]), n_frames / fps], fps)


def on_grid(score: MusicScore, frames: np.ndarray, fps: float) -> MusicScore:
    """The score with phones that begin and end where frames do.

    SVSPreprocessor rounds the duration of each phone by itself, so that phones drift from the
    audio and the last one pays; of a label on the grid it takes each duration as it is.
    """
    times = np.concatenate([[0], np.cumsum(frames)]) / fps
    phones = tuple(
        replace(phone, start_sec=float(start), end_sec=float(end))
        for phone, start, end in zip(score.phones, times[:-1], times[1:], strict=True)
    )
    return replace(score, phones=phones)


def continuous_log_f0(f0: np.ndarray) -> np.ndarray:
    """Log F0 drawn through unvoiced frames, as ESPnet's `Dio` gives it; (T,), 0 without voice."""
    voiced = np.flatnonzero(f0)
    if not len(voiced):
        return np.zeros_like(f0)
    return np.interp(np.arange(len(f0)), voiced, np.log(f0[voiced])).astype(np.float32)


def prepare(source: SVSData, out_dir: str | Path, fps: int, singers: dict[str, int]) -> int:
    """Write label, score.scp, text, wav.scp, utt2sid, pitch, pitch_hz and discrete_token of a set.

    `pitch` is log F0: at token rate continuous, at mel rate 0 where unvoiced, so that XiaoiceSing
    learns voicing. `pitch_hz` is continuous F0 in Hz, which VISinger2 takes.

    Args:
        source: The set.
        out_dir: Where to.
        fps: Frames per second of the model: tokens' or mel's.
        singers: Numbers of the singers; utt2sid is left out when one of them is not there.

    Returns:
        int: Number of utterances.

    Raises:
        UserError: tokens and data differ, or a note has more phones than ESPnet takes.
    """
    data, out_dir, mel = Utterances.read(source.data_dir), Path(out_dir), source.mel
    data = replace(data, scores={u: str(source.root / p) for u, p in data.scores.items()})
    n_tokens = read_counts(source.token_dir / NUM_FRAMES)
    if fps not in (mel.fps, mel.frames_per_sec):
        raise UserError("fps", f"{fps}", f"{mel.fps} or {mel.frames_per_sec:.0f}")
    if missing := data.wavs.keys() - n_tokens.keys():
        raise UserError(source.token_dir, f"no tokens of {min(missing)!r}", "each id of wav.scp")
    codes, f0s = (read_scp(source.token_dir / f"{name}.scp") for name in ("codec_ssl", "f0"))
    score_frames = read_scp(source.token_dir / f"{SCORE_FRAMES}.scp")
    scores, tokens = {}, {}
    with ArkWriter(out_dir, PITCH) as pitch, ArkWriter(out_dir, PITCH_HZ) as pitch_hz:
        for utt in data.wavs:
            place = f"{source.data_dir}: {utt}"
            end_sec = n_tokens[utt] / mel.fps
            score = data.score(utt)
            phone_index = score_frames[utt].reshape(-1, 4)[:, 2]
            if phone_index[-1] == len(score.phones):  # the tokens' score was extended, by this:
                score = extend_with_rest(score, end_sec)
            for index, note in enumerate(score.notes):
                if len(note.phones) > MAX_PHONES:
                    found = f"{len(note.phones)} phones in note {index}"
                    raise UserError(place, found, f"at most {MAX_PHONES}", "score")
            f0, every = f0s[utt], int(mel.frames_per_sec // fps)
            log_f0 = continuous_log_f0(f0)
            pitch_hz[utt] = np.exp(log_f0)[::every, None]
            if fps == mel.fps:
                frames = np.bincount(phone_index, minlength=len(score.phones))
                pitch[utt] = log_f0[::every, None]
            else:
                frames = phone_frames(score, n_tokens[utt] * mel.frames_per_token, fps)
                pitch[utt] = np.where(f0 > 0, log_f0, 0)[:, None]
            if len(frames) != len(score.phones):
                raise UserError(place, f"{len(frames)} phones in the tokens' score",
                                f"{len(score.phones)}")  # fmt: skip
            scores[utt] = on_grid(score, frames, fps)
            tokens[utt] = " ".join(map(str, codes[utt]))
    write_scores(out_dir, scores)
    write_table(out_dir / DISCRETE_TOKEN, tokens)
    spk = read_table(source.data_dir / "utt2spk")
    if all(spk[utt] in singers for utt in data.wavs):
        write_table(out_dir / SIDS, {utt: singers[spk[utt]] for utt in data.wavs})
    write_table(out_dir / "wav.scp", {u: (source.root / p).resolve() for u, p in data.wavs.items()})
    return len(scores)
