"""Options of a masked generator."""

from dataclasses import dataclass, field

from espnet2_ext.device import AUTOCAST
from espnet2_ext.masked.schedule import LAYER_WEIGHTS, LINEAR, MASK_SCHEDULES, SIN


@dataclass(frozen=True)
class NetworkConfig:
    """Sizes of the network.

    Args:
        width: d, also of the conditions.
        heads: Of attention.
        n_layers: Blocks.
        expansion: Of the feed-forward layers.
        checkpointing: Compute activations again in the backward pass, to save memory.
        dropout: Of the embeddings and of what each layer adds to them, in training.
    """

    width: int = 256
    heads: int = 4
    n_layers: int = 6
    expansion: int = 4
    checkpointing: bool = False
    dropout: float = 0.0


@dataclass(frozen=True)
class PromptConfig:
    """How long the prompt, the first frames of an utterance, is in training.

    Uniform from min(shortest_share L, shortest_frames) to longest_share L; L are the frames.

    Args:
        shortest_share: Of the frames.
        shortest_frames: The shortest prompt is no longer.
        longest_share: Of the frames; MaskGCT's text-to-semantic model: 0.4.
        dropout: Probability of no prompt, for each utterance by itself.
        around: Probability of also seeing the end of the utterance, by the same lengths: as what
            surrounds some bars that are sung again (not in MaskGCT).
    """

    shortest_share: float = 0.25
    shortest_frames: int = 5
    longest_share: float = 0.5
    dropout: float = 0.15
    around: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.shortest_share <= self.longest_share < 1 or self.shortest_frames < 0:
            raise ValueError(
                "prompt shares must rise from 0 to below 1, and frames be none or more"
            )
        for name in ("dropout", "around"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} {getattr(self, name)} is not 0 to 1")


@dataclass(frozen=True)
class MaskedConfig:
    """``model_conf`` of a masked generator.

    Args:
        network: Its sizes.
        prompt: Prompts in training.
        mask_schedule: p(t), see `schedule.masked_share`.
        least_masked: p(t) is no less in training; MaskGCT's text-to-semantic model: 0.2.
        layer_weights: How often each layer of codes is trained (`schedule.layer_weights`).
        first_layer: The first layer of codes that is trained and generated.
        layer_embedding: Tell the network which layer is masked.
        prefix_dropout: Probability of training without the prefix, for each utterance by itself.
        nothing_dropout: Probability of training without prompt and prefix at once.
        label_smoothing: Of the cross entropy.
        codec_start: Vectors of the codec's codes start from the codec's own embeddings
            (`networks.code_rows`), those of inputs and of outputs.
        autocast: Of matrix products in training, see `device.autocast_as`.
        virtual_tokens: Learned ones, which stand before every sequence: what prefix tuning trains.
    """

    network: NetworkConfig = field(default_factory=NetworkConfig)
    prompt: PromptConfig = field(default_factory=PromptConfig)
    mask_schedule: str = SIN
    least_masked: float = 0.0
    layer_weights: str = LINEAR
    first_layer: int = 0
    layer_embedding: bool = True
    prefix_dropout: float = 0.0
    nothing_dropout: float = 0.0
    label_smoothing: float = 0.0
    codec_start: bool = False
    autocast: str = "none"
    virtual_tokens: int = 0

    def __post_init__(self) -> None:
        for name, choices in (
            ("mask_schedule", MASK_SCHEDULES),
            ("layer_weights", LAYER_WEIGHTS),
            ("autocast", AUTOCAST),
        ):
            if getattr(self, name) not in choices:
                raise ValueError(f"{name} {getattr(self, name)!r} is none of {', '.join(choices)}")
        for name in ("least_masked", "prefix_dropout", "nothing_dropout"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} {getattr(self, name)} is not 0 to 1")
        if not 0 <= self.label_smoothing < 1:
            raise ValueError(f"label_smoothing {self.label_smoothing} is not 0 to below 1")
        for name in ("first_layer", "virtual_tokens"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} {getattr(self, name)} is negative")
