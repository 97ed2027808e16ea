"""Does a packed model sing its prompt's melody? The same scores with prompts an octave apart.

For each utterance another recording of its singer is shifted by WORLD half an octave down and half
an octave up, tokenised again, and prompts the model; score, timing and seed stay the same. Writes
both outputs, leakage.json, and prints Table I of CoMelSinger (Zhao et al. 2026) for this model.
"""

import argparse
from dataclasses import asdict
from pathlib import Path

import numpy as np

from espnet2_ext.device import add_dtype, device_name
from espnet2_ext.errors import UserError
from espnet2_ext.evaluation.leakage import SIDES, Leakage, Prosody, Sung, energy_db, measure
from espnet2_ext.files import read_table, write_json
from espnet2_ext.lock import hold_to_the_end

HALF_OCTAVE = 6.0  # semitones


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", required=True, help="pack of stage 16")
    parser.add_argument("--data_dir", required=True, type=Path, help="scores, with labels")
    parser.add_argument("--prompt_dir", required=True, type=Path, help="recordings of the singers")
    parser.add_argument("--utts", type=int, default=24, help="utterances (seeded choice)")
    parser.add_argument("--f0_extractor", default="swift", help="see judges/f0.py")
    parser.add_argument("--seed", type=int, default=0, help="of the choice, prompts and sampling")
    parser.add_argument("--device", type=device_name, default="cpu")
    add_dtype(parser)
    parser.add_argument("--out_dir", required=True, type=Path)


def run(args: argparse.Namespace) -> None:
    import torch

    from espnet2_ext.audio.wav import read_wav, write_wav
    from espnet2_ext.inference.synthesizer import SingingSynthesizer
    from espnet2_ext.judges.data import choose
    from espnet2_ext.judges.f0 import EXTRACTORS
    from espnet2_ext.score.formats.espnet_format import read_scores

    if args.f0_extractor not in EXTRACTORS:
        raise UserError("--f0_extractor", repr(args.f0_extractor), ", ".join(EXTRACTORS))
    hold_to_the_end(args.out_dir)
    extract = EXTRACTORS[args.f0_extractor]
    synthesizer = SingingSynthesizer.from_pretrained(args.model, args.device, dtype=args.dtype)
    scores = read_scores(args.data_dir)
    singers = read_table(args.data_dir / "utt2spk")
    utts = choose(sorted(scores), args.utts, args.seed)
    sources = draw_prompts(utts, singers, args.prompt_dir, args.seed)

    tokens, prompts = [], {side: [] for side in SIDES}
    for utt in utts:
        wav, fs = read_wav(sources[utt], synthesizer.fs)
        for side, semitones in zip(SIDES, (-HALF_OCTAVE, HALF_OCTAVE), strict=True):
            shifted = shift_pitch(wav, fs, semitones)
            path = args.out_dir / "prompts" / side / f"{utt}.wav"
            write_wav(path, shifted, fs, comment="synthetic: a prompt shifted by WORLD")
            prompts[side].append(Prosody(extract(shifted, fs), energy_db(shifted, fs)))
            tokens.append(synthesizer.encode_prompt(path))
    outputs = {}
    for index, side in enumerate(SIDES):
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            torch.manual_seed(args.seed)
            sung = [scores[utt] for utt in utts]
            wavs = synthesizer.render_all(sung, tokens[index::2], args.seed)
        outputs[side] = []
        for utt, wav in zip(utts, wavs, strict=True):
            comment = "synthetic singing, made by espnet2-ext"
            write_wav(args.out_dir / "wav" / side / f"{utt}.wav", wav, synthesizer.fs, comment)
            prosody = Prosody(extract(wav, synthesizer.fs), energy_db(wav, synthesizer.fs))
            outputs[side].append(prosody)
    result = measure(
        [
            Sung({side: outputs[side][k] for side in SIDES}, {s: prompts[s][k] for s in SIDES})
            for k in range(len(utts))
        ]
    )
    write_json(args.out_dir / "leakage.json", asdict(result))
    print(table(result))


def draw_prompts(
    utts: list[str], singers: dict[str, str], prompt_dir: Path, seed: int
) -> dict[str, str]:
    """Another recording of each utterance's singer; raises `UserError` where there is none."""
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


def table(result: Leakage) -> str:
    """Markdown: paired against unpaired differences, then what the octave did."""
    lines = [
        f"{result.n_utt} utterances, each sung with two prompts an octave apart",
        "",
        "| difference of | to its own prompt | to the other | other minus own |",
        "|---|---|---|---|",
    ]
    for name in result.paired:
        cells = (part[name].text() for part in (result.paired, result.unpaired, result.excess))
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    lines += [
        "",
        f"interval between the outputs: {result.shift_cents.text(1)} cents; between the prompts: "
        f"{result.prompt_cents.text(0)} cents; share that leaks: {result.share.text(4)}",
    ]
    return "\n".join(lines)
