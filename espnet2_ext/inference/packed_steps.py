"""The steps that a pack may name, each built from the pack's files."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from espnet2_ext.errors import UserError
from espnet2_ext.files import parse_config, read_yaml
from espnet2_ext.ids import check_id
from espnet2_ext.inference.packed_systems import TRANSCRIPTION
from espnet2_ext.inference.pipeline import Pipeline
from espnet2_ext.inference.step import Step

if TYPE_CHECKING:
    from torch import Tensor


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

    def embeddings(self) -> "tuple[Tensor, Tensor]":
        """Tables (N, K, D) and offset (D,) of the codec's embedding."""
        from espnet2_ext.tokenizer.embedding_tables import embedding_tables

        return embedding_tables(self.tokenizers.codec, str(self.folder / "tokenizer"))


def _duration(files: PackFiles, model: str) -> Step:
    from espnet2_ext.duration.inference import DurationInference, TimingSampling
    from espnet2_ext.inference.score_steps import DurationStep

    return DurationStep(files.load(model, DurationInference), files.options(model, TimingSampling))


def _frames(files: PackFiles) -> Step:
    from espnet2_ext.inference.score_steps import FramesStep

    return FramesStep(files.tokenizers)


def _speechlm(files: PackFiles, model: str) -> Step:
    from espnet2_ext.inference.speechlm_steps import SpeechLMStep
    from espnet2_ext.speechlm.inference import DecodingConfig, SpeechLMInference

    lm = files.load(model, SpeechLMInference, dtype=files.dtype or "float32")
    return SpeechLMStep(lm, files.options(model, DecodingConfig))


def _soft(files: PackFiles, model: str) -> Step:
    from espnet2_ext.inference.speechlm_steps import SoftStep

    lm = _speechlm(files, model)
    return SoftStep(lm.model, lm.decoding, *files.embeddings(), batch_size=lm.decoding.batch_size)


def _masked(files: PackFiles, semantic: str, acoustic: str) -> Step:
    from espnet2_ext.inference.masked_step import MaskedStep
    from espnet2_ext.masked.inference import MaskedInference
    from espnet2_ext.masked.options import MaskedDecoding

    models = (acoustic, semantic)
    loaded = [files.load(model, MaskedInference, dtype=files.dtype) for model in models]
    decoding = tuple(files.options(model, MaskedDecoding) for model in (semantic, acoustic))
    hears = _transcription(files, TRANSCRIPTION).model if decoding[1].nbest > 1 else None
    return MaskedStep(*loaded, decoding, files.embeddings() if decoding[1].soft else None, hears)


def _codec(files: PackFiles, stream: str) -> Step:
    from espnet2_ext.inference.codec_step import CodecStep

    return CodecStep(files.tokenizers, files.device, stream)


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


def _latent_flow(files: PackFiles, model: str) -> Step:
    from espnet2_ext.flow.latent_inference import LatentInference
    from espnet2_ext.flow.sampler import SamplingConfig
    from espnet2_ext.inference.latent_flow_step import LatentFlowStep

    flow = files.load(model, LatentInference, dtype=files.dtype)
    return LatentFlowStep(flow, files.options(model, SamplingConfig))


def _mel_vae(files: PackFiles, model: str) -> Step:
    from espnet2_ext.inference.mel_vae_steps import DecodeStep
    from espnet2_ext.mel_vae.inference import MelVAE

    return DecodeStep(files.load(model, MelVAE))


def _transcription(files: PackFiles, model: str) -> Step:
    from espnet2_ext.inference.transcription_step import TranscriptionStep
    from espnet2_ext.transcription.decode import DecodingConfig
    from espnet2_ext.transcription.inference import TranscriptionInference

    heard = files.load(model, TranscriptionInference)
    return TranscriptionStep(heard, files.options(model, DecodingConfig))


@dataclass(frozen=True)
class PackedStep:
    """A step that a manifest may name.

    Args:
        build: Makes it of a pack, and of what the manifest says under the names in `takes`.
        does: What it does, for the model card.
        takes: One word each: the folder of its model, of each of its models, or a stream.
    """

    build: Callable[..., Step]
    does: str
    takes: tuple[str, ...] = ("model",)


STEPS: Mapping[str, PackedStep] = {
    "duration": PackedStep(
        _duration, "predicts phone times, where the score has none (phone-duration model)"
    ),
    "frames": PackedStep(_frames, "reads the score frame by frame", ()),
    "speechlm": PackedStep(
        _speechlm,
        "makes discrete tokens of the score and a prompt of the singer (speech language model)",
    ),
    "soft": PackedStep(
        _soft,
        "averages the codec's embeddings by the probabilities that the speech language "
        "model gave the codes",
    ),
    "masked": PackedStep(
        _masked,
        "makes semantic tokens of the score, then acoustic tokens of these and of a "
        "prompt of the singer (two masked generators)",
        ("semantic", "acoustic"),
    ),
    "flow": PackedStep(_flow, "makes mel-spectrograms and F0 of the tokens (flow matching)"),
    "codec": PackedStep(_codec, "decodes the tokens to mel-spectrograms or audio", ("stream",)),
    "vocoder": PackedStep(_vocoder, "makes the samples (vocoder)"),
    "latent_flow": PackedStep(_latent_flow, "makes latents of what is described (flow matching)"),
    "mel_vae": PackedStep(_mel_vae, "decodes latents to mel-spectrograms (mel-VAE)"),
    "transcription": PackedStep(_transcription, "hears the notes in tokens (transcription)"),
}


def build_pipeline(
    files: PackFiles,
    steps: list[dict[str, str]],
    place: str,
    given: tuple[str, ...] = ("score", "prompt"),
) -> Pipeline:
    """The pipeline of a pack.

    Args:
        files: The pack.
        steps: The manifest's: of each its name (``step``), and what `PackedStep.takes` names.
        place: The manifest, for errors.
        given: Streams that are there before the first step.

    Raises:
        UserError: an unknown step, a step twice, one that lacks what it reads, or a model that
            cannot be loaded.
    """
    built: dict[str, Step] = {}
    for entry in steps:
        name = entry.get("step", "")
        if name not in STEPS:
            raise UserError(place, f"{name!r}", ", ".join(STEPS), "steps")
        if name in built:
            raise UserError(place, f"{name} twice", "each step once", "steps")
        step = STEPS[name]
        takes = {key: check_id(entry.get(key, ""), f"{place}: {name}", key) for key in step.takes}
        built[name] = step.build(files, **takes)
    try:
        return Pipeline(built, given)
    except ValueError as error:
        raise UserError(place, str(error), field="steps") from None
