"""The steps that a pack may name, each built from the pack's files."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from espnet2_ext.errors import UserError
from espnet2_ext.files import parse_config, read_yaml
from espnet2_ext.ids import check_id
from espnet2_ext.inference.pipeline import Pipeline
from espnet2_ext.inference.step import Step


@dataclass(frozen=True)
class PackFiles:
    """An unpacked pack.

    Args:
        folder: Where its files are.
        tokenizers: Its tokenizers.
        device: Where its models run.
        dtype: Precision that is asked for; None: float32, or as trained.
    """

    folder: Path
    tokenizers: Any
    device: str = "cpu"
    dtype: str | None = None
    _loaded: dict[str, Any] = field(default_factory=dict)

    def paths(self, model: str) -> tuple[Path, Path]:
        """Configuration and weights of a model."""
        return self.folder / model / "config.yaml", self.folder / model / "model.safetensors"

    def load(self, model: str, loader: type, **more: Any) -> Any:
        """A model, once for all steps that use it."""
        if model not in self._loaded:
            self._loaded[model] = loader.load(*self.paths(model), device=self.device, **more)
        return self._loaded[model]

    def options(self, model: str, config: type) -> Any:
        """Its inference options; the defaults where it has none."""
        path = self.folder / model / "inference.yaml"
        return parse_config(config, read_yaml(path) if path.is_file() else {}, path)


def _duration(files: PackFiles, model: str) -> Step:
    from espnet2_ext.duration.inference import DurationInference, TimingSampling
    from espnet2_ext.inference.score_steps import DurationStep

    return DurationStep(files.load(model, DurationInference), files.options(model, TimingSampling))


def _frames(files: PackFiles, model: str) -> Step:
    from espnet2_ext.inference.score_steps import FramesStep

    return FramesStep(files.tokenizers)


def _speechlm(files: PackFiles, model: str) -> Step:
    from espnet2_ext.inference.speechlm_steps import SpeechLMStep
    from espnet2_ext.speechlm.inference import DecodingConfig, SpeechLMInference

    lm = files.load(model, SpeechLMInference, dtype=files.dtype or "float32")
    return SpeechLMStep(lm, files.options(model, DecodingConfig))


def _soft(files: PackFiles, model: str) -> Step:
    from espnet2_ext.inference.speechlm_steps import SoftStep
    from espnet2_ext.tokenizer.embedding_tables import embedding_tables

    lm, codec = _speechlm(files, model), files.tokenizers.codec
    place = str(files.folder / "tokenizer")
    tables = embedding_tables(codec, place)
    return SoftStep(lm.model, lm.decoding, *tables, batch_size=lm.decoding.batch_size)


def _flow(files: PackFiles, model: str) -> Step:
    from espnet2_ext.flow.inference import FlowInference, check_tokenizers
    from espnet2_ext.flow.sampler import SamplingConfig
    from espnet2_ext.inference.flow_step import FlowStep

    flow = files.load(model, FlowInference, dtype=files.dtype)
    weights = files.paths(model)[1]
    check_tokenizers(flow.model, files.tokenizers, files.folder / "tokenizer", weights)
    return FlowStep(flow, files.options(model, SamplingConfig))


def _vocoder(files: PackFiles, model: str) -> Step:
    from espnet2_ext.inference.vocoder_step import VocoderStep
    from espnet2_ext.vocoder.inference import VocoderInference

    return VocoderStep(files.load(model, VocoderInference, dtype=files.dtype))


def _transcription(files: PackFiles, model: str) -> Step:
    from espnet2_ext.inference.transcription_step import TranscriptionStep
    from espnet2_ext.transcription.decode import DecodingConfig
    from espnet2_ext.transcription.inference import TranscriptionInference

    heard = files.load(model, TranscriptionInference)
    return TranscriptionStep(heard, files.options(model, DecodingConfig))


BUILDERS: Mapping[str, Callable[[PackFiles, str], Step]] = {
    "duration": _duration,
    "frames": _frames,
    "speechlm": _speechlm,
    "soft": _soft,
    "flow": _flow,
    "vocoder": _vocoder,
    "transcription": _transcription,
}
SLM_SVS = ("duration", "frames", "speechlm", "soft", "flow", "vocoder")
"""Steps of SLM-SVS; ``soft`` where the speech LM's inference options ask for it."""


def steps_of_slm_svs(decoding: Mapping[str, Any]) -> list[dict[str, str]]:
    """What the manifest says of the steps of SLM-SVS; `decoding`: options of its speech LM."""
    models = {"soft": "speechlm", "frames": ""}
    names = [name for name in SLM_SVS if name != "soft" or decoding.get("soft")]
    return [{"step": name, "model": models.get(name, name)} for name in names]


def build_pipeline(files: PackFiles, steps: list[dict[str, str]], place: str) -> Pipeline:
    """The pipeline of a pack.

    Args:
        files: The pack.
        steps: The manifest's: name and model (its folder) of each.
        place: The manifest, for errors.

    Raises:
        UserError: an unknown step, a step twice, one that lacks what it reads, or a model that
            cannot be loaded.
    """
    built: dict[str, Step] = {}
    for entry in steps:
        name, model = entry.get("step", ""), entry.get("model", "")
        if name not in BUILDERS:
            raise UserError(place, f"{name!r}", ", ".join(BUILDERS), "steps")
        if name in built:
            raise UserError(place, f"{name} twice", "each step once", "steps")
        if model:
            check_id(model, place, "model")
        built[name] = BUILDERS[name](files, model)
    try:
        return Pipeline(built)
    except ValueError as error:
        raise UserError(place, str(error), field="steps") from None
