"""A data directory sung by a baseline, written as speechlm and flow inference write theirs."""

import functools
import logging
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from espnet2_ext.audio.wav import write_wav
from espnet2_ext.baselines.data import SIDS
from espnet2_ext.baselines.inference import BaselineInference
from espnet2_ext.errors import UserError
from espnet2_ext.files import ArkWriter, read_counts, read_table, write_table
from espnet2_ext.score.formats.espnet_format import read_scores
from espnet2_ext.score.music_score import MusicScore
from espnet2_ext.tokenizer.dump import NUM_FRAMES, SCORE_FRAMES
from espnet2_ext.tokenizer.embedding_tables import embedding_tables
from espnet2_ext.tokenizer.tokenizers import Tokenizers

logger = logging.getLogger(__name__)


def sung_frames(
    score: MusicScore, frames: np.ndarray, phone_ids: dict[str, int], every: int
) -> np.ndarray:
    """The score as it was sung, int32 (F, 4): phone id, midi, phone index, note index.

    Args:
        score: With phones.
        frames: Frames of each phone at the model's rate (P,).
        phone_ids: Numbers of the phones.
        every: Model frames in a token frame; each token frame takes its first.
    """
    index = np.repeat(np.arange(len(frames)), frames)[::every]
    phone = np.array([phone_ids[p.phone] for p in score.phones])[index]
    note = np.array([p.note for p in score.phones])[index]
    midi = np.array([n.midi for n in score.notes])[note]
    return np.stack([phone, midi, index, note], axis=1).astype(np.int32)


def decode_dir(
    model: BaselineInference,
    tokenizers: Tokenizers,
    data_dir: str | Path,
    token_dir: str | Path,
    output_dir: str | Path,
    own_durations: bool = False,
) -> int:
    """Sing every utterance of a set.

    Writes codec_ssl.scp and soft.scp (the codec embeddings that the model expects), mel.scp and
    f0.scp, or wav.scp, by the kind of the model; and beside them
    score_frames.scp of the timing that was sung, utt2num_frames and prompt.scp, so that the folder
    serves flow inference as a token folder.

    Args:
        model: The model.
        tokenizers: Phones, clock and mel.
        data_dir: Made by `baselines.data.prepare` at the model's frame rate.
        token_dir: dump/tokens/SET, for the prompts.
        output_dir: Where to.
        own_durations: Phones last as the model predicts.

    Returns:
        int: Number of utterances.

    Raises:
        UserError: the set has singers that the model does not know, or a bad score.
    """
    data_dir, output_dir, mel = Path(data_dir), Path(output_dir), tokenizers.mel
    if model.fps not in (mel.fps, mel.frames_per_sec):
        raise UserError("model", f"{model.fps:g} frames a second",
                        f"{mel.fps} or {mel.frames_per_sec:g}")  # fmt: skip
    if not (data_dir / SIDS).is_file():
        raise UserError(data_dir, f"no {SIDS}: a singer that was not trained", "training's singers")
    scores, sids = read_scores(data_dir), read_counts(data_dir / SIDS)
    every = int(model.fps // mel.fps)
    expected = Expected(tokenizers)
    wavs, lengths = {}, {}
    with ExitStack() as stack:
        arks: dict[str, ArkWriter] = {}

        def write(name: str, utt: str, array: np.ndarray | None) -> None:
            if array is None:
                return
            if name not in arks:
                arks[name] = stack.enter_context(ArkWriter(output_dir, name))
            arks[name][utt] = array

        for number, (utt, score) in enumerate(scores.items(), 1):
            singing = model.sing(score, sids[utt], own_durations, f"{data_dir}: {utt}")
            timing = sung_frames(score, singing.frames, tokenizers.phone_ids, every)
            write(SCORE_FRAMES, utt, timing.reshape(-1))
            lengths[utt] = len(timing)
            write("codec_ssl", utt, None if singing.codes is None else singing.codes.reshape(-1))
            write("soft", utt, expected(singing.probabilities))
            write("mel", utt, singing.mel)
            write("f0", utt, singing.f0)
            if singing.wav is not None:
                wavs[utt] = (output_dir / "wav" / f"{utt}.wav").resolve()
                write_wav(wavs[utt], singing.wav, mel.fs)
            if number % 20 == 0 or number == len(scores):
                logger.info("%s: %d of %d", output_dir, number, len(scores))
    write_table(output_dir / NUM_FRAMES, lengths)
    prompts = read_table(Path(token_dir) / "prompt.scp")
    write_table(output_dir / "prompt.scp", {utt: prompts[utt] for utt in scores if utt in prompts})
    if wavs:
        write_table(output_dir / "wav.scp", wavs)
    return len(scores)


class Expected:
    """Probabilities of a token model's streams, SSL first, to the codec embedding that it expects.

    Our speech LM's reach the flow in the same way (`speechlm.soft`), so that tables can give other
    token models what ours has.
    """

    def __init__(self, tokenizers: Tokenizers) -> None:
        codec = tokenizers.codec
        self._probe = functools.cache(lambda: embedding_tables(codec, "codec"))

    def __call__(self, probabilities: list[Tensor] | None) -> np.ndarray | None:
        if probabilities is None:
            return None
        tables, offset = self._probe()
        of_codec = torch.stack([p.float().cpu() for p in probabilities[1:]], dim=1)
        return (offset + torch.einsum("fqk,qkd->fd", of_codec, tables)).numpy()
