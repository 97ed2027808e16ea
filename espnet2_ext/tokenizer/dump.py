"""Tokenizing a data directory in chunks that shards share out and a dead run leaves whole."""

import functools
import hashlib
import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from espnet2_ext.audio.f0 import extract_f0
from espnet2_ext.audio.mel import LogMel
from espnet2_ext.audio.wav import read_wav
from espnet2_ext.data.utterances import Utterances
from espnet2_ext.digest import device_kind, digest_files, digest_files_once
from espnet2_ext.errors import UserError
from espnet2_ext.files import ArkWriter, read_text, write_table
from espnet2_ext.lock import hold_shard
from espnet2_ext.one_thread import one_thread
from espnet2_ext.resumable import ALONE, ResumableMap, Shard
from espnet2_ext.score.frames import expand
from espnet2_ext.tokenizer.align import fit_audio
from espnet2_ext.tokenizer.svs_lb import SvsLabelConfig, frames_to_tokens
from espnet2_ext.tokenizer.tokenizers import Tokenizers

logger = logging.getLogger(__name__)

CHUNK_UTTS = 50
SCORE_FRAMES, SVS_LB, NUM_FRAMES = "score_frames", "svs_lb", "utt2num_frames"
SVS_FRAMES = "svs_frames"  # score_frames as svs_lb rounds them, where it does so otherwise
ARKS = ("codec_ssl", "mel", "f0")


def tokenizer_fingerprint(folder: str | Path, out_dir: str | Path, device: str = "cpu") -> str:
    """Hash of a tokenizer folder's files: tokens of another tokenizer are not taken for its own.

    Jobs that write into the same `out_dir` side by side hash them once.
    """
    files = sorted(p for p in Path(folder).iterdir() if p.is_file() and not p.name.startswith("."))
    names = [path.name for path in files]
    return f"{digest_files_once(out_dir, *files)} {names} {device_kind(device)}"


def score_arks(svs_lb: SvsLabelConfig) -> tuple[str, ...]:
    """The arks that hold a set's scores."""
    return (SCORE_FRAMES,) if svs_lb.rounding == "cumulative" else (SCORE_FRAMES, SVS_FRAMES)


@dataclass(frozen=True)
class _Analysis:
    """What the processor alone makes of an utterance: samples, score frames, label, features."""

    wav: np.ndarray
    frames: dict[str, np.ndarray]
    svs_lb: str
    mel: np.ndarray
    f0: np.ndarray


@torch.no_grad()
def _analyse(data: Utterances, utt: str, tokenizers: Tokenizers, log_mel: LogMel) -> _Analysis:
    mel, place = tokenizers.mel, f"{data.path}: {utt}"
    wav, _ = read_wav(data.wavs[utt], mel.fs)
    wav, score = fit_audio(wav, mel.fs, mel.fps, data.score(utt), place)
    arks: dict[str, np.ndarray] = {}
    words, note_per_hop = "", None
    if score is not None:
        try:
            frames = expand(score, tokenizers.phone_ids, mel.fps)
            label = tokenizers.label_frames(score)
        except ValueError as error:
            raise UserError(place, str(error)) from None
        both = {SCORE_FRAMES: frames, SVS_FRAMES: label}
        arks = {n: both[n].stacked().reshape(-1) for n in score_arks(tokenizers.svs_lb)}
        columns = (label.phone_id, label.midi, label.phone_index, tokenizers.phones)
        words = " ".join(frames_to_tokens(*columns, tokenizers.svs_lb.placeholder))
        note_per_hop = np.repeat(frames.midi, mel.frames_per_token)
    features = log_mel(torch.from_numpy(wav)[None])[0].numpy()
    f0 = extract_f0(wav, mel.fs, mel.hop_length, note_per_hop)
    return _Analysis(wav, arks, words, features, f0)


@torch.no_grad()
def tokenize_chunk(
    data: Utterances, utts: Sequence[str], folder: Path, tokenizers: Tokenizers, nj: int = 1
) -> None:
    """Write every feature of some utterances.

    Args:
        data: Their data directory.
        utts: Which.
        folder: Where to.
        tokenizers: Their models work on one utterance after the other.
        nj: Utterances whose audio and scores are analysed at a time, ahead of the models.
    """
    log_mel = LogMel(tokenizers.mel)
    svs_lb: dict[str, str] = {}
    num_frames: dict[str, int] = {}
    with ExitStack() as stack:
        names = (*ARKS, *score_arks(tokenizers.svs_lb)) if data.scores else ARKS
        arks = {name: stack.enter_context(ArkWriter(folder, name)) for name in names}
        each = map if nj == 1 else stack.enter_context(ThreadPoolExecutor(nj)).map
        analyses = each(lambda utt: _analyse(data, utt, tokenizers, log_mel), utts)
        for utt, of_utt in zip(utts, analyses, strict=True):
            tokens = tokenizers.encode(of_utt.wav)
            num_frames[utt] = len(tokens)
            arks["codec_ssl"][utt] = tokens.reshape(-1).numpy()
            arks["mel"][utt] = of_utt.mel
            arks["f0"][utt] = of_utt.f0
            for name, frames in of_utt.frames.items():
                arks[name][utt] = frames
            if of_utt.frames:
                svs_lb[utt] = of_utt.svs_lb
    if svs_lb:
        write_table(folder / SVS_LB, svs_lb)
    write_table(folder / NUM_FRAMES, num_frames)


@dataclass(frozen=True)
class TokenizeMap:
    """The chunks of a data directory.

    Args:
        data: The data directory.
        out_dir: Its token directory.
        tokenizer: `tokenizer_fingerprint` of what it is tokenized with.
        shard: This job.
        dealt_before: Chunks of other directories that the same shards share out before these.
    """

    data: Utterances
    out_dir: Path
    tokenizer: str
    shard: Shard = ALONE
    dealt_before: int = 0

    @property
    def chunks(self) -> ResumableMap:
        utts, before = list(self.data.wavs), self.dealt_before
        return ResumableMap(utts, self.out_dir, self.shard, CHUNK_UTTS, dealt_before=before)

    def read(self, utts: Sequence[str]) -> tuple[str, None]:
        """Hash of all that tokens are made from: tokenizer, and content of audio and scores."""
        digest, data = hashlib.sha256(self.tokenizer.encode()), self.data
        for utt in utts:
            if not Path(data.wavs[utt]).is_file():
                raise UserError(data.wavs[utt], "no such file", "an audio file", utt)
            score = read_text(data.scores[utt]) if data.scores else ""
            parts = (utt, digest_files(data.wavs[utt]), data.labels.get(utt), score)
            digest.update(repr(parts).encode())
        return digest.hexdigest()[:16], None


@one_thread()
def tokenize_shard(
    data_dirs: Sequence[str | Path],
    tokenizer_dir: str | Path,
    out_dirs: Sequence[str | Path],
    shard: Shard = ALONE,
    device: str = "cpu",
    nj: int = 1,
) -> None:
    """Tokenize every chunk of this shard that is not done yet; `merge_chunks` joins them.

    The chunks of all directories are dealt out together, so that small sets share the shards too.
    Where the models work on a GPU, `nj` threads keep it fed: F0 alone takes a core .03 s for each
    second of audio.
    """
    tokenizer = tokenizer_fingerprint(tokenizer_dir, out_dirs[0], device)
    load = functools.cache(lambda: Tokenizers.load(tokenizer_dir, device))
    dealt = 0
    with ExitStack() as held:
        for out_dir in out_dirs:
            held.enter_context(hold_shard(out_dir, shard.number, shard.count, tokenizer))
        for data_dir, out_dir in zip(data_dirs, out_dirs, strict=True):
            data = Utterances.read(data_dir)

            def work(utts: Sequence[str], _: None, folder: Path, data: Utterances = data) -> dict:
                tokenize_chunk(data, utts, folder, load(), nj)
                logger.info("%s: %d utterances", folder, len(utts))
                return {}

            job = TokenizeMap(data, Path(out_dir), tokenizer, shard, dealt)
            job.chunks.do(job.read, work)
            dealt += len(job.chunks)
    if not load.cache_info().currsize:
        logger.info("shard %d has nothing left to do", shard.number)
