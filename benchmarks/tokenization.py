"""Tokenization: seconds and peak memory for one, two and four times as many minutes of audio.

``python benchmarks/tokenization.py --minutes 2``. A data directory is made of sung tones, each file
its own; tokenizers of the embedded recipe's kind are fitted once on a little of it. Each size is
tokenized by a process of its own. The peer is the bare reading of the same files, so that the
ratio says how far bytes are from tokens. The last row states the slopes, by least squares.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import memory
import numpy as np
import soundfile
from sung_tones import FS, make_score, sing
from timing import Row, add_arguments, finish, start

from espnet2_ext.audio.wav import write_wav
from espnet2_ext.files import read_table, write_table
from espnet2_ext.score.formats.espnet_format import score_to_json

ROOT = Path(__file__).resolve().parents[1]
CONF = ROOT / "egs2/mini_singing/speechlm1/conf/tokenizer_debug.yaml"
SIZES = (1, 2, 4)


def make_data_dir(path: Path, minutes: float, seed: int = 0) -> Path:
    """Utterances of about five seconds, each with a score and audio of its own."""
    rng = np.random.default_rng(seed)
    tables: dict[str, dict[str, str]] = {
        name: {} for name in ("wav.scp", "text", "label", "score.scp", "utt2spk")
    }
    seconds, index = 0.0, 0
    while seconds < 60 * minutes:
        score, utt = make_score(rng), f"u{index:06d}"
        wav = sing(score, rng)
        write_wav(path / f"{utt}.wav", wav, FS)
        (path / f"{utt}.json").write_text(json.dumps(score_to_json(score)), encoding="utf-8")
        tables["wav.scp"][utt] = str(path / f"{utt}.wav")
        tables["score.scp"][utt] = str(path / f"{utt}.json")
        tables["label"][utt] = " ".join(
            f"{p.start_sec:.6f} {p.end_sec:.6f} {p.phone}" for p in score.phones
        )
        tables["text"][utt] = " ".join(phone.phone for phone in score.phones)
        tables["utt2spk"][utt] = f"s{index % 4}"
        seconds, index = seconds + len(wav) / FS, index + 1
    for name, table in tables.items():
        write_table(path / name, table)
    return path


def run(module: str, *options: object) -> None:
    """One of the toolkit's commands, in a process of its own."""
    command = [sys.executable, "-m", f"espnet2_ext.bin.{module}", *map(str, options)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env={**os.environ})


def measure(args: argparse.Namespace) -> None:
    """Tokenize in this process; print seconds and the peak's growth since the models' loading."""
    import torch

    from espnet2_ext.tokenizer.dump import tokenize_shard

    torch.set_num_threads(1)
    clock = time.process_time if args.cpu_time else time.perf_counter
    # A first little directory, so that what is loaded once is not counted.
    tokenize_shard(
        [args.measure / "warm_up"], args.measure / "tokenizer", [args.measure / "unused"]
    )
    memory.forget_peak()
    before, begun = memory.mib(memory.RESIDENT), clock()
    tokenize_shard([args.data_dir], args.measure / "tokenizer", [args.data_dir / "tokens"])
    sec = clock() - begun
    peak = memory.mib(memory.PEAK)
    begun = clock()
    for wav in read_table(args.data_dir / "wav.scp").values():
        soundfile.read(wav, dtype="float32")
    values = {
        "sec": sec,
        "bare": clock() - begun,
        "peak": peak,
        "grown": peak - before,
    }
    print(json.dumps(values))


def rows(args: argparse.Namespace, folder: Path) -> Iterator[Row]:
    """A row for each size, then the slopes."""
    fitted = make_data_dir(folder / "warm_up", 0.5)
    run("fit_tokenizers", "--config", args.config, "--mel_config", ROOT / "conf/mel.yaml",
        "--data_dir", fitted, "--out_dir", folder / "tokenizer", "--nj", 1)  # fmt: skip
    found = []
    for size in SIZES:
        minutes = size * args.minutes
        data = make_data_dir(folder / str(size), minutes, seed=size)
        command = [sys.executable, __file__, "--measure", str(folder), "--data_dir", str(data)]
        command += ["--cpu_time"] if args.cpu_time else []
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        values = json.loads(done.stdout.splitlines()[-1])
        found.append((minutes / 60, values))
        note = (
            f"peak {values['peak']:.0f} MiB, of it {values['grown']:.0f} since the first utterances"
        )
        note += "; peer: bare reading of the samples"
        ratio = values["bare"] / values["sec"]
        yield Row(f"{minutes:g} minutes", values["sec"], values["bare"], ratio, "s", note)
    hours = [hour for hour, _ in found]
    sec, bare, peak = (
        float(np.polyfit(hours, [values[name] for _, values in found], 1)[0])
        for name in ("sec", "bare", "peak")
    )
    each = ", ".join(f"{values['sec'] / hour / 3600:.4f}" for hour, values in found)
    note = f"s for an hour of audio; RTF of each size {each}; peak {peak:+.1f} MiB an hour"
    yield Row("slope", sec, bare, bare / sec, "s/h", note)


def get_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=2.0, help="of audio in the smallest size")
    parser.add_argument("--config", type=Path, default=CONF, help="tokenizer configuration")
    parser.add_argument("--dir", type=Path, help="where the temporary folder goes")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--data_dir", type=Path, help=argparse.SUPPRESS)
    add_arguments(parser)
    return parser


def main(argv: list[str] | None = None) -> None:
    args = get_parser().parse_args(argv)
    start(args)
    if args.measure is not None:
        measure(args)
        return
    with tempfile.TemporaryDirectory(dir=args.dir) as folder:
        finish(rows(args, Path(folder)), args)


if __name__ == "__main__":
    main()
