"""How well the singers of a mini_singing corpus can be told apart, sung and spoken.

    python benchmarks/voices.py --corpus downloads/mini_singing_many --out voices.json

Two embedders look at single utterances. `spectrum` is the mean mel spectrum of the louder half of
an utterance, without its level. `resemblyzer` (Wan et al. 2018, GE2E; Apache-2.0, weights in its
wheel) is used where the package is installed; the toolkit does not need it. For each: the
similarity of the two nearest singers, of an utterance to its own singer, and rank accuracy: the
share of utterances that are nearer to their own singer's other utterances than to any other's.
"""

import argparse
import json
import logging
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import soxr

from espnet2_ext.audio.wav import read_wav
from espnet2_ext.errors import UserError, cli
from espnet2_ext.files import read_table, write_json

KINDS = {"sung": "segments", "spoken": "speech"}
FS = 16000
Embedder = Callable[[np.ndarray], np.ndarray]


def spectrum() -> Embedder:
    """Mean mel spectrum (80,) of the louder half of an utterance, of unit length."""
    import torch

    from espnet2_ext.audio.mel import LogMel, MelConfig

    mel = LogMel(MelConfig(fs=FS, hop_length=160, fmax=8000))

    def embed(wav: np.ndarray) -> np.ndarray:
        frames = mel(torch.from_numpy(wav).float()[None])[0].numpy()
        level = frames.mean(axis=1)
        mean = frames[level >= np.median(level)].mean(axis=0)
        return _unit(mean - mean.mean())

    return embed


def resemblyzer() -> Embedder:
    """Resemblyzer's embedding (256,) of an utterance, of unit length."""
    from resemblyzer import VoiceEncoder, preprocess_wav

    encoder = VoiceEncoder("cpu", verbose=False)
    return lambda wav: encoder.embed_utterance(preprocess_wav(wav, source_sr=FS))


def embedders() -> dict[str, Embedder]:
    """Those that can be had here, by name."""
    found = {"spectrum": spectrum()}
    try:
        found["resemblyzer"] = resemblyzer()
    except ImportError:
        logging.info("resemblyzer is not installed: measured by the spectrum alone")
    return found


def utterances(folder: Path, most: int) -> dict[str, list[np.ndarray]]:
    """Up to `most` utterances of every singer of ``segments`` or ``speech``, at `FS`."""
    wavs: dict[str, list[np.ndarray]] = {}
    for utt, singer in sorted(read_table(folder / "utt2spk").items()):
        of_singer = wavs.setdefault(singer, [])
        if len(of_singer) < most:
            wav, fs = read_wav(folder / "wavs" / f"{utt}.wav")
            of_singer.append(soxr.resample(wav, fs, FS))
    return {singer: of_singer for singer, of_singer in wavs.items() if len(of_singer) > 1}


def measure(embedded: Mapping[str, np.ndarray]) -> dict[str, object]:
    """Compare singers by embeddings of their utterances, each (n, d) of unit length.

    Raises:
        ValueError: fewer than two singers.
    """
    if len(embedded) < 2:
        raise ValueError(f"{len(embedded)} singers with two utterances: needs at least 2")
    names = sorted(embedded)
    centres = {name: _unit(embedded[name].mean(axis=0)) for name in names}
    between = np.array([[centres[a] @ centres[b] for b in names] for a in names])
    np.fill_diagonal(between, -np.inf)
    a, b = np.unravel_index(between.argmax(), between.shape)
    own, right = [], []
    for name in names:
        for index, vector in enumerate(embedded[name]):
            rest = _unit(np.delete(embedded[name], index, axis=0).mean(axis=0))
            own.append(float(rest @ vector))
            others = max(centres[other] @ vector for other in names if other != name)
            right.append(own[-1] > others)
    return {
        "singers": len(names),
        "utterances": len(right),
        "nearest_pair": [names[a], names[b]],
        "nearest_similarity": float(between.max()),
        "mean_nearest_similarity": float(between.max(axis=1).mean()),
        "own_similarity": float(np.mean(own)),
        "rank_accuracy": float(np.mean(right)),
    }


def _unit(vector: np.ndarray) -> np.ndarray:
    return vector / np.linalg.norm(vector)


def get_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--corpus", type=Path, required=True, help="made by make_mini_singing")
    parser.add_argument("--utterances", type=int, default=6, help="of each singer, at most")
    parser.add_argument("--out", type=Path, help="JSON file")
    return parser


@cli
def main(argv: list[str] | None = None) -> None:
    args = get_parser().parse_args(argv)
    results: dict[str, dict[str, object]] = {}
    for kind, folder in KINDS.items():
        if not (args.corpus / folder).is_dir():
            continue
        wavs = utterances(args.corpus / folder, args.utterances)
        for name, embed in embedders().items():
            embedded = {
                singer: np.array([embed(wav) for wav in of_singer])
                for singer, of_singer in wavs.items()
            }
            try:
                results[f"{kind}, {name}"] = measure(embedded)
            except ValueError as error:
                raise UserError(args.corpus / folder, str(error)) from None
    if not results:
        raise UserError(args.corpus, "no segments or speech", "a mini_singing corpus")
    print(json.dumps(results, indent=1))
    if args.out:
        write_json(args.out, results)


if __name__ == "__main__":
    main()
