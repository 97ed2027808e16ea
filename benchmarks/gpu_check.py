"""What a GPU does with this toolkit: decoding, ZeRO-2 training, flow and vocoder, in one table.

``python benchmarks/gpu_check.py --device cuda --size 1.7b``. Weights are random: speed does not
depend on them. RTF = compute time / audio time. Model FLOP utilisation counts 6 FLOP per backbone
parameter and position (no recomputation) against `--peak_tflops`.
"""

import argparse
import platform
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import torch
from random_lm import ROOT, SIZES, build_lm, random_codes, random_score

from espnet2_ext.audio.mel import MelConfig
from espnet2_ext.files import write_json
from espnet2_ext.speechlm.inference import DecodingConfig, SpeechLMInference

H200_BF16_TFLOPS = 989.0


def median_sec(run: Callable[[], object], device: str, repeats: int = 3) -> float:
    """Median seconds of `run`, after one warm-up."""
    times = []
    for _ in range(repeats + 1):
        if device.startswith("cuda"):
            torch.cuda.synchronize()
        start = time.perf_counter()
        run()
        if device.startswith("cuda"):
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return statistics.median(times[1:])


def decode_rows(size: str, device: str) -> Iterator[tuple[str, str]]:
    """Frames a second of decoding at batch 1 and 32."""
    generator = torch.Generator().manual_seed(0)
    dtype = torch.bfloat16 if device.startswith("cuda") else torch.float32
    lm = SpeechLMInference(build_lm(size).to(device, dtype))
    frames = SIZES[size][4]
    for batch in (1, 32):
        scores = [random_score(frames, generator) for _ in range(batch)]
        prompts = [random_codes(lm.model, frames // 3, generator) for _ in range(batch)]
        decoding = DecodingConfig(batch_size=batch)
        sec = median_sec(lambda s=scores, p=prompts, d=decoding: lm.generate(s, p, d), device)
        speed = batch * frames / sec
        rtf = 1 / (speed / MelConfig().fps)
        yield f"LM decode, batch {batch}", f"{speed:.0f} frames/s, RTF {rtf:.4f}"


def training_rows(size: str, device: str, peak_tflops: float) -> Iterator[tuple[str, str]]:
    """Tokens a second and model FLOP utilisation of ZeRO-2 training, one process.

    First utterances of one length; then songs of many lengths (those of benchmarks/training.py),
    padded and packed.
    """
    import deepspeed
    from training import corpus_lengths, make_batch

    from espnet2_ext.train.zero_config import zero_config
    from espnet2_ext.train.zero_trainer import start_process_group

    on_gpu = device.startswith("cuda")
    start_process_group(int(on_gpu))
    model = build_lm(size).to(device)
    frames, batch = SIZES[size][4:]
    overrides = {"precision": "bf16" if on_gpu else "fp32", "warmup_num_steps": 1}
    config = zero_config(ROOT / "conf/ds_zero2.json", overrides, on_gpu, 100)
    backbone = sum(p.numel() for p in model.corelm.decoders.parameters())
    engine, *_ = deepspeed.initialize(
        model=model, model_parameters=list(model.parameters()), config=config
    )
    positions = 0

    def count(_: object, args: tuple, kwargs: dict) -> None:
        nonlocal positions
        positions = kwargs["inputs_embeds"].shape[:2].numel()

    hook = model.corelm.backbone.register_forward_pre_hook(count, with_kwargs=True)

    def speed(lengths: Sequence[int]) -> tuple[float, str]:
        names = [str(i) for i in range(len(lengths))]
        data = make_batch(model, names, lengths, device)

        def step() -> None:
            loss, _, _ = engine(**data)
            engine.backward(loss)
            engine.step()

        if on_gpu:
            torch.cuda.reset_peak_memory_stats()
        sec = median_sec(step, device, repeats=5)
        tokens = sum(lengths) * model.vocabulary.nq / sec
        mfu = 6 * backbone * positions / sec / (peak_tflops * 1e12)
        memory = f", {torch.cuda.max_memory_allocated() / 2**30:.0f} GiB" if on_gpu else ""
        said = f"{tokens:.0f} target tokens/s, {positions / sec:.0f} positions/s, MFU {mfu:.3f}"
        return tokens, said + memory

    name = f"LM training, ZeRO-2, {backbone / 1e6:.0f}M backbone"
    yield name, speed([frames] * batch)[1]
    lengths = [max(n * frames // 250, 1) for n in corpus_lengths("wide", 2 * batch)]
    model.config.packing = False
    padded, said = speed(lengths)
    yield f"{name}, many lengths, padded", said
    model.corelm.allow_packing()
    model.config.packing = True
    packed, said = speed(lengths)
    yield f"{name}, many lengths, packed", f"{said}; {packed / padded:.2f}x"
    hook.remove()


def acoustic_rows(device: str, n_utterances: int, sec_each: float) -> Iterator[tuple[str, str]]:
    """RTF of flow and vocoder at the recipe's sizes: batch 1, a batch, and that in bfloat16."""
    from acoustic import load_flow, load_vocoder, random_features, random_utterances, sampling

    config, mel = sampling(), MelConfig()
    frames = round(sec_each * mel.fps)

    def rtf(run: Callable[[], object], n: int) -> str:
        return f"RTF {median_sec(run, device) * mel.fps / (n * frames):.5f}"

    runs = (("batch 1", 1, False), (f"batch {n_utterances}", n_utterances, False),
            (f"batch {n_utterances}, bfloat16", n_utterances, True))  # fmt: skip
    for said, n, half in runs:
        flow = load_flow(None, device, "on" if half else "off", batch_frames=n * frames)
        inputs = random_utterances(flow, [frames] * n)
        speed = rtf(lambda f=flow, i=inputs: f.generate(*i, config), n)
        yield f"flow, {config.n_steps} steps, {said}", speed
    features = random_features(frames * mel.frames_per_token, mel)
    hifigans = (f"tuning/train_vocoder_{kind}.yaml" for kind in ("nsf_hifigan", "hifigan"))
    for name in ("train_vocoder.yaml", *hifigans):
        for said, n, half in runs:
            vocoder = load_vocoder(None, name, device, half)
            inputs = tuple([x] * n for x in features)
            speed = rtf(lambda v=vocoder, i=inputs: v.generate(*i), n)
            yield f"vocoder {type(vocoder.vocoder).__name__}, {said}", speed


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--size", choices=SIZES, default="1.7b")
    parser.add_argument("--peak_tflops", type=float, default=H200_BF16_TFLOPS)
    parser.add_argument("--utterances", type=int, default=16, help="batch of flow and vocoder")
    parser.add_argument("--json", type=Path, help="also write the rows here")
    args = parser.parse_args(argv)
    if args.device.startswith("cuda") and not torch.cuda.is_available():
        parser.error("no CUDA device on this machine; --device cpu --size tiny shows the table")
    name = torch.cuda.get_device_name() if args.device.startswith("cuda") else platform.processor()
    rows = [("device", f"{name}, torch {torch.__version__}, size {args.size}")]
    for more in (
        decode_rows(args.size, args.device),
        training_rows(args.size, args.device, args.peak_tflops),
        acoustic_rows(args.device, args.utterances, 6.0 if args.size != "tiny" else 0.4),
    ):
        for row in more:
            print(f"| {row[0]} | {row[1]} |", flush=True)
            rows.append(row)
    print("\n| what | measured |\n| --- | --- |")
    print("\n".join(f"| {what} | {measured} |" for what, measured in rows))
    if args.json:
        write_json(args.json, {"rows": [{"name": n, "measured": m} for n, m in rows]})


if __name__ == "__main__":
    main()
