"""Sing with ESPnet's own SVS models, in the form that our flow, vocoder and codec take."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from espnet2_ext.checkpoint import build_strict, load_state
from espnet2_ext.errors import UserError
from espnet2_ext.files import read_yaml
from espnet2_ext.score.formats.espnet_format import score_to_json
from espnet2_ext.score.music_score import MusicScore

TOKENS, FEATURES, WAVEFORM = "tokens", "features", "waveform"
MEL_MODELS = ("xiaoice", "xiaoice_voiced", "score_regression")
"""Names of the SVS models that sing a mel (ESPnet's option ``svs``)."""


@dataclass(frozen=True)
class Singing:
    """What a model sang; fields that its kind does not make are None.

    Args:
        frames (np.ndarray): Frames of each phone, at the model's rate (P,).
        codes (np.ndarray): Local codes (F, n_streams), of a token model.
        probabilities (list[Tensor]): Of each token stream's values (F, size), of a token model.
        mel (np.ndarray): Natural-log mel (F, n_mels), of a mel model.
        f0 (np.ndarray): The mel model's own F0 in Hz, 0 where unvoiced (F,).
        wav (np.ndarray): Samples (N,), of an end-to-end model.
    """

    frames: np.ndarray
    codes: np.ndarray | None = None
    probabilities: list[Tensor] | None = None
    mel: np.ndarray | None = None
    f0: np.ndarray | None = None
    wav: np.ndarray | None = None


class BaselineInference:
    """A trained `discrete_svs` (tokens), `xiaoice` (mel) or `vits` (waveform) of ESPnet, or ours.

    Args:
        generate: ESPnet's `SingingGenerate`.
        options: The experiment's config.yaml.
        stream_sizes: Values of each token stream, of a token model.
    """

    def __init__(self, generate: Any, options: dict[str, Any], stream_sizes: list[int]) -> None:
        self._generate, self.kind = generate, kind_of(options)
        self.phones = set(options["token_list"])
        self.fps = options["fs"] / options["feats_extract_conf"]["hop_length"]
        self.stream_sizes = stream_sizes
        layers = options.get("discrete_token_layers")
        if self.kind == TOKENS and layers != len(stream_sizes):
            raise UserError("tokenizer", f"{len(stream_sizes)} streams", f"{layers} of the model")
        svs = generate.svs
        self._timing = _Timing(svs.generator.lr if self.kind == WAVEFORM else svs.length_regulator)
        if self.kind == TOKENS:
            # TokSing.inference returns a pitch that it has not predicted (NameError) unless
            # predict_pitch; with this flag off it returns the logits, which is all we want.
            svs.use_discrete_token = False
        self._projection: _Last | None = None
        if isinstance(svs, nn.Module) and hasattr(svs, "linear_projection"):
            self._projection = _Last(svs.linear_projection)

    @classmethod
    def load(
        cls,
        config: str | Path,
        weights: str | Path,
        stream_sizes: list[int] | None = None,
        device: str = "cpu",
        seed: int = 0,
    ) -> "BaselineInference":
        """Load a trained model.

        Args:
            config: config.yaml of the experiment.
            weights: ``.pth`` file.
            stream_sizes: Values of each token stream; needed by token models.
            device: Where it runs.
            seed: Of VISinger's noise.

        Raises:
            UserError: a file is missing, or is not of such a model.
        """
        options = read_yaml(config)
        kind = kind_of(options, config)
        state = load_state(weights)
        from espnet2.bin.svs_inference import SingingGenerate

        from espnet2_ext.registry import register

        register("espnet2.tasks.svs", "espnet2.tasks.gan_svs")
        torch.manual_seed(seed)
        task = "gan_svs" if kind == WAVEFORM else "svs"
        generate = build_strict(
            lambda: SingingGenerate(config, None, device=device, svs_task=task),
            state, config, weights, part=lambda generate: generate.model,
        )  # fmt: skip
        return cls(generate, options, stream_sizes or [])

    @torch.no_grad()
    def sing(
        self, score: MusicScore, singer: int | None, own_durations: bool = False, place: str = ""
    ) -> Singing:
        """Sing a score.

        Args:
            score: With phones on the grid of the model's frames (`baselines.data.on_grid`).
            singer: Number of the singer.
            own_durations: Phones last as the model predicts, not as in `score`.
            place: Utterance, for errors.

        Raises:
            UserError: a phone or singer that the model does not know, phones off the grid, or
                durations of zero frames in all.
        """
        for phone in score.phones:
            if phone.phone not in self.phones:
                raise UserError(place, f"phone {phone.phone!r}", "one of the model's", "label")
        if self._generate.use_sids and not 0 < (singer or 0) < self._generate.svs.spks:
            raise UserError(place, f"singer {singer}", f"1 to {self._generate.svs.spks - 1}")
        ends = np.array([0.0, *(phone.end_sec for phone in score.phones)]) * self.fps
        if np.abs(ends - ends.round()).max() > 1e-3:
            raise UserError(place, f"phones off the grid of {self.fps:g} frames a second",
                            "a label made by svs_data", "label")  # fmt: skip
        wanted = np.diff(ends.round()).astype(np.int64)
        if not wanted.sum():
            raise UserError(place, "no frames", "at least one", "label")
        document = score_to_json(score)
        times = np.array([[phone.start_sec, phone.end_sec] for phone in score.phones])
        inputs: dict[str, Any] = {}
        if singer is not None:
            inputs["sids"] = np.array([singer])
        if self.kind == TOKENS:  # only their number is looked at
            inputs["discrete_token"] = torch.zeros(1, dtype=torch.long)
        self._force(None if own_durations else wanted)
        out = self._generate(
            {"score": (document["tempo"], document["note"]),
             "label": (times, [phone.phone for phone in score.phones])}, **inputs,
        )  # fmt: skip
        frames = self._timing.frames
        if not own_durations and not np.array_equal(frames, wanted):
            raise RuntimeError(f"{place}: sang {frames.sum()} frames, not the {wanted.sum()} asked")
        if self.kind == TOKENS:
            probabilities = self._probabilities(out["feat_gen"])
            codes = torch.stack([p.argmax(-1) for p in probabilities], dim=1)
            return Singing(frames, codes.cpu().numpy().astype(np.int32), probabilities)
        if self.kind == WAVEFORM:
            return Singing(frames, wav=out["wav"].cpu().numpy())
        mel = out.get("feat_gen_denorm")
        mel = (out["feat_gen"] if mel is None else mel).cpu().numpy()
        f0 = out.get("f0")
        if f0 is None:  # XiaoiceSing.inference drops the F0 and voicing of its last two outputs
            pitch, voicing = self._projection.output.view(len(mel), -1)[:, -2:].T
            f0 = torch.where(voicing > 0, pitch.exp(), 0.0)
        return Singing(frames, mel=mel, f0=f0.cpu().numpy())

    def _force(self, frames: np.ndarray | None) -> None:
        """Let the duration predictor answer `frames`, which labels given to it do not reach."""
        svs = self._generate.svs
        predictor = svs.generator.duration_predictor if self.kind == WAVEFORM else svs.duration_predictor  # fmt: skip # noqa: E501
        for name in ("inference", "forward"):
            predictor.__dict__.pop(name, None)
        if frames is None:
            return
        answer = torch.from_numpy(frames)[None].to(self._generate.device, torch.float32)
        if self.kind == WAVEFORM:
            # VITS takes ceil((exp(answer) - 1) * fps): half a frame less is safe from rounding up.
            answer = torch.log1p((answer - 0.5).clamp_min(0) / self.fps)[:, None].expand(-1, 2, -1)
            predictor.forward = lambda *_, **__: answer
        else:
            predictor.inference = lambda *_, **__: answer

    def _probabilities(self, logits: Tensor) -> list[Tensor]:
        """Logits (F * n_streams, nclusters) to probabilities of each stream's values (F, size)."""
        logits = logits.view(-1, len(self.stream_sizes), logits.size(-1))
        return [logits[:, k, :size].softmax(-1) for k, size in enumerate(self.stream_sizes)]


def kind_of(options: dict[str, Any], place: str | Path = "config") -> str:
    """`TOKENS`, `FEATURES` or `WAVEFORM`; raises `UserError` for any other experiment."""
    svs = options.get("svs")
    if options.get("model_type") == "discrete_svs" and svs == "toksing":
        return TOKENS
    if svs in MEL_MODELS:
        return FEATURES
    if svs == "vits":
        return WAVEFORM
    expected = f"discrete_svs with toksing, {', '.join(MEL_MODELS)} or vits"
    raise UserError(place, f"{svs!r}", expected, "svs")


class _Timing:
    """Keeps the durations that a length regulator was last called with."""

    def __init__(self, regulator: nn.Module) -> None:
        self.frames = np.zeros(0, dtype=np.int64)
        regulator.register_forward_pre_hook(self._keep)

    def _keep(self, _: nn.Module, args: tuple[Any, ...]) -> None:
        self.frames = args[1][0].long().cpu().numpy()


class _Last:
    """Keeps the last output of a module."""

    def __init__(self, module: nn.Module) -> None:
        self.output = torch.empty(0)
        module.register_forward_hook(self._keep)

    def _keep(self, _: nn.Module, __: tuple[Any, ...], output: Tensor) -> None:
        self.output = output
