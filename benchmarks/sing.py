"""From a score to samples: this toolkit's whole chain against ESPnet's own SVS inference.

``python benchmarks/sing.py``. Ours: speech LM, flow and vocoder of the embedded recipe's sizes with
random weights, or those of a pack (``--model``); the score's frames are given. The peer: ESPnet's
`SingingGenerate` of an XiaoiceSing of the baseline's size (egs2/mini_singing/svs1) with random
weights, made audible by Griffin-Lim, and in another row by our vocoder. XiaoiceSing regresses a
whole utterance at once, where the LM samples frame by frame: the ratio is what sampling costs.
RTF = compute time / audio time.
"""

import argparse
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
import yaml
from acoustic import librosa_griffin_lim, load_flow, load_vocoder, sampling
from random_lm import ROOT, build_lm
from sung_tones import make_score
from timing import Row, add_arguments, compare, finish, start

from espnet2_ext.audio.mel import MelConfig
from espnet2_ext.baselines.data import on_grid, phone_frames
from espnet2_ext.baselines.inference import BaselineInference
from espnet2_ext.inference.flow_step import FlowStep
from espnet2_ext.inference.pipeline import Pipeline
from espnet2_ext.inference.speechlm_steps import SpeechLMStep
from espnet2_ext.inference.vocoder_step import VocoderStep
from espnet2_ext.score.frames import expand
from espnet2_ext.score.music_score import MusicScore
from espnet2_ext.score.phones import PHONES
from espnet2_ext.speechlm.inference import DecodingConfig, SpeechLMInference

SVS_CONF = ROOT / "egs2/mini_singing/svs1/conf/train_xiaoicesing_mel.yaml"


def espnet_model(folder: Path) -> BaselineInference:
    """An untrained XiaoiceSing of the baseline's sizes, saved, and loaded as a trained one."""
    from espnet2.tasks.svs import SVSTask

    from espnet2_ext.registry import register

    register("espnet2.tasks.svs", "espnet2.tasks.abs_task")
    mel = MelConfig()
    (folder / "token_list").write_text("\n".join(["<blank>", "<unk>", *PHONES, "<sos/eos>"]) + "\n")
    count = 100.0
    stats = {"count": count, "sum": np.full(mel.n_mels, -5 * count)}
    np.savez(folder / "feats_stats.npz", **stats, sum_square=np.full(mel.n_mels, 29 * count))
    (folder / "feats.yaml").write_text(yaml.safe_dump({"feats_extract_conf": mel.asdict()}))
    argv = ["--config", str(SVS_CONF), "--output_dir", str(folder), "--fs", str(mel.fs)]
    argv += ["--token_list", str(folder / "token_list"), "--feats_extract", "recipe_log_mel"]
    argv += ["--normalize_conf", f"stats_file={folder / 'feats_stats.npz'}"]
    for key, value in mel.asdict().items():
        argv += ["--feats_extract_conf", f"{key}={value}"]
    args = SVSTask.get_parser().parse_args(argv)
    args.token_list = (folder / "token_list").read_text().split()
    torch.save(SVSTask.build_model(args).state_dict(), folder / "model.pth")
    (folder / "config.yaml").write_text(yaml.safe_dump(vars(args)))
    return BaselineInference.load(folder / "config.yaml", folder / "model.pth")


def our_chain(args: argparse.Namespace, score: MusicScore) -> Callable[[], object]:
    """What sings `score` once."""
    if args.model is not None:
        from espnet2_ext.inference.pack import PackedModel

        pack = PackedModel.load(args.model)
        pipeline, prompt = pack.pipeline.without("duration"), next(iter(pack.prompts.values()))
        columns = {"score": [score], "prompt": [prompt]}
    else:
        flow = load_flow(None)
        steps = {
            "speechlm": SpeechLMStep(SpeechLMInference(build_lm("demo")), DecodingConfig()),
            "flow": FlowStep(flow, sampling()),
            "vocoder": VocoderStep(load_vocoder(None)),
        }
        pipeline = Pipeline(steps, given=("score_frames", "prompt"))
        ids = {phone: i for i, phone in enumerate(PHONES)}
        frames = expand(score, ids, MelConfig().fps).stacked()
        prompt = torch.randint(0, 256, (100, flow.model.geometry.nq))
        columns = {"score_frames": [torch.from_numpy(frames).long()], "prompt": [prompt]}
    return lambda: pipeline(columns, ["song"])


def rows(args: argparse.Namespace, folder: Path) -> Iterator[Row]:
    """Ours against both ways of hearing the peer, and the peer's size."""
    mel = MelConfig()
    score = make_score(np.random.default_rng(0))
    n_frames = round(score.phones[-1].end_sec * mel.fps)
    sec = n_frames / mel.fps
    ours = our_chain(args, score)
    espnet = espnet_model(folder)
    espnet_score = on_grid(score, phone_frames(score, n_frames, espnet.fps), espnet.fps)
    vocoder = load_vocoder(None)
    millions = sum(p.numel() for p in espnet._generate.model.parameters()) / 1e6

    def peer(hear: Callable[[torch.Tensor, torch.Tensor], object]) -> Callable[[], object]:
        def sing() -> object:
            sung = espnet.sing(espnet_score, None)
            return hear(torch.from_numpy(sung.mel).float(), torch.from_numpy(sung.f0).float())

        return sing

    note = f"{sec:.1f} s, batch 1; peer: XiaoiceSing of {millions:.1f}M parameters, "
    for name, hear, means in (
        ("score to samples", lambda m, _: librosa_griffin_lim(m, mel),
         "Griffin-Lim (librosa, 32 iterations)"),
        ("score to samples, same vocoder",
         lambda m, f: vocoder.generate([m], [f.clamp(0, mel.fs / 2)]), "our vocoder"),
    ):  # fmt: skip
        yield compare(
            name, ours, peer(hear), unit="RTF", repeats=args.repeats, per=sec, note=note + means
        )


def get_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", type=Path, help="packed model; default: random weights")
    add_arguments(parser)
    return parser


def main(argv: list[str] | None = None) -> None:
    args = get_parser().parse_args(argv)
    start(args)
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        finish(rows(args, Path(folder)), args)


if __name__ == "__main__":
    main()
