"""The same scores sung by a pack with prompts an octave apart: the plainest case of two prompts."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from espnet2_ext.audio.wav import read_wav, write_wav
from espnet2_ext.errors import UserError
from espnet2_ext.files import read_table, write_table
from espnet2_ext.inference.synthesizer import SingingSynthesizer
from espnet2_ext.score.music_score import MusicScore

SEMITONES: Mapping[str, float] = {"low": -6.0, "high": 6.0}
"""How far each side's prompts are moved: half an octave down and up."""


def sing(
    synthesizer: SingingSynthesizer,
    scores: Mapping[str, MusicScore],
    sources: Mapping[str, str],
    out_dir: str | Path,
    seed: int = 0,
) -> dict[str, tuple[dict[str, str], dict[str, str]]]:
    """Sing each score twice, with its prompt moved by WORLD down and up; timing and seed are one.

    Args:
        scores: By utterance.
        sources: Path of the recording that prompts each utterance.
        out_dir: Holds ``prompts/SIDE/UTT.wav``, ``wav/SIDE/UTT.wav`` and a table of each.
        seed: Of the sampling.

    Returns:
        Of each side, the paths of outputs and of prompts, by utterance.
    """
    import torch

    out_dir, fs = Path(out_dir), synthesizer.fs
    sides = {}
    for side, semitones in SEMITONES.items():
        prompts, outputs, tokens = {}, {}, []
        for utt in scores:
            wav, _ = read_wav(sources[utt], fs)
            path = out_dir / "prompts" / side / f"{utt}.wav"
            comment = "synthetic: a prompt shifted by WORLD"
            write_wav(path, shift_pitch(wav, fs, semitones), fs, comment=comment)
            prompts[utt] = str(path)
            tokens.append(synthesizer.encode_prompt(path))
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            torch.manual_seed(seed)
            wavs = synthesizer.render_all(list(scores.values()), tokens, seed)
        for utt, wav in zip(scores, wavs, strict=True):
            path = out_dir / "wav" / side / f"{utt}.wav"
            write_wav(path, wav, fs, comment="synthetic singing, made by espnet2-ext")
            outputs[utt] = str(path)
        for kind, table in (("wav", outputs), ("prompts", prompts)):
            write_table(out_dir / kind / side / "wav.scp", table)
        sides[side] = outputs, prompts
    return sides


def draw_sources(
    utts: Sequence[str], singers: Mapping[str, str], prompt_dir: str | Path, seed: int
) -> dict[str, str]:
    """Another recording of each utterance's singer; raises `UserError` where there is none."""
    prompt_dir = Path(prompt_dir)
    wavs, owners = read_table(prompt_dir / "wav.scp"), read_table(prompt_dir / "utt2spk")
    rng = np.random.default_rng(seed)
    drawn = {}
    for utt in utts:
        others = sorted(u for u in wavs if u != utt and owners.get(u) == singers[utt])
        if not others:
            raise UserError(prompt_dir, f"no recording of {singers[utt]!r}", "one", utt)
        drawn[utt] = wavs[others[rng.integers(len(others))]]
    return drawn


def shift_pitch(wav: np.ndarray, fs: int, semitones: float) -> np.ndarray:
    """Samples (N,) with F0 moved by WORLD; envelope and aperiodicity, so the timbre, stay."""
    import pyworld

    samples = np.ascontiguousarray(wav, np.float64)
    f0, times = pyworld.dio(samples, fs)
    f0 = pyworld.stonemask(samples, f0, times, fs)
    envelope = pyworld.cheaptrick(samples, f0, times, fs)
    aperiodicity = pyworld.d4c(samples, f0, times, fs)
    shifted = pyworld.synthesize(f0 * 2 ** (semitones / 12), envelope, aperiodicity, fs)
    shifted = np.pad(shifted, (0, max(0, len(samples) - len(shifted))))[: len(samples)]
    return shifted / max(1.0, np.abs(shifted).max() / 0.98)
