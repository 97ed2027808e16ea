"""GPU memory of training a speech LM under ZeRO-2: model states and activations, from the config.

Model states are those of mixed precision with Adam (Rajbhandari et al. 2020, "ZeRO", section 3):
16-bit parameters whole on every GPU; gradients (16-bit, and their 32-bit copy at the step), 32-bit
parameters and Adam's two moments in as many shards as there are GPUs. This is what DeepSpeed's
``estimate_zero2_model_states_mem_needs`` adds up.

Activations are what autograd keeps for the backward pass. For n positions of a Llama-shaped decoder
of L layers, width d, key-value width d_kv, MLP width f and A heads, in values of e bytes:

    layer = n (2 (4 + 2e) d + 2e (d + d_kv) + 4e f + 4A + 8)
    stack = L layer + n ((4 + e) d + 4)
    head  = sum over streams q of N (e d + 4 K_q + 16), and 2e (K_0 + 1) d

A layer's two norms keep their input in 32 bits and two 16-bit results; attention keeps queries,
keys, values, its output and a 32-bit number per head; the MLP keeps four tensors of its width. Each
of the N target frames keeps, per stream, its hidden state and the log-probabilities of K_q codes;
with `loss_chunk`, N is no more than that. Packing leaves no padding among the n positions; without
FlashAttention it joins the outputs of each sequence's attention into another n d values a layer.
With gradient checkpointing a layer keeps its input alone, n e d, and one whole layer lives at a
time. Not counted: buckets of communication (two of ``reduce_bucket_size`` values), one operation's
temporary values, and what the allocator wastes.
"""

from argparse import Namespace
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from espnet2_ext.errors import UserError
from espnet2_ext.files import read_yaml
from espnet2_ext.score.phones import PHONES
from espnet2_ext.speechlm.build import build_speechlm
from espnet2_ext.speechlm.model import SpeechLM, stream_sizes
from espnet2_ext.tokenizer.vocabulary import Vocabulary, codec_ssl_tokens, special_tokens

GIB = 2**30
_BYTES = 2  # of a 16-bit value
_LLAMA_SHAPED = ("llama", "qwen2", "mistral")
GPUS = (1, 2, 4, 8)
_OPUSLM_TEXT = 49_222  # text and g2p tokens of espnet/OpusLM_1.7B_Anneal


@dataclass(frozen=True)
class ModelStates:
    """Bytes per GPU.

    Args:
        parameters: 16-bit, whole.
        gradients: This GPU's shard, in 16 and in 32 bits.
        optimizer: This GPU's shard: 32-bit parameters and two moments.
    """

    parameters: int
    gradients: int
    optimizer: int

    @property
    def total(self) -> int:
        return self.parameters + self.gradients + self.optimizer


@dataclass(frozen=True)
class Activations:
    """Bytes that autograd keeps.

    Args:
        whole: Of all layers and the head.
        checkpointed: With gradient checkpointing, while a layer is recomputed.
        layer: Of one layer.
    """

    whole: int
    checkpointed: int
    layer: int


def opuslm_vocabulary() -> Vocabulary:
    """A vocabulary laid out and sized as that of OpusLM 1.7B: 62,670 tokens, text left unnamed."""
    tokens = special_tokens() + codec_ssl_tokens(5000, 8, 1024)
    start = len(tokens)
    tokens += [f"<text_{i}>" for i in range(_OPUSLM_TEXT)]
    return Vocabulary(tuple(tokens), {"text_bpe": (start, len(tokens))}, "OpusLM 1.7B")


def build_on_meta(config: str | Path, vocabulary: Vocabulary) -> SpeechLM:
    """The model of a training YAML without its weights: shapes alone, on the meta device."""
    optional = ("score_encoder", "prompt_encoder")
    options = {
        "corelm": "ar_delay", "corelm_conf": {}, "model_conf": {},
        **dict.fromkeys(optional), **{f"{name}_conf": {} for name in optional},
        **read_yaml(config), "token_list": list(vocabulary.tokens),
        "token_bias": dict(vocabulary.bias), "phone_list": list(PHONES),
    }  # fmt: skip
    with torch.device("meta"):
        return build_speechlm(Namespace(**options), str(config))


def model_states(parameters: int, gpus: int, trained: int | None = None) -> ModelStates:
    """Bytes per GPU of `parameters`, of which `trained` (default: all) have gradients."""
    trained = parameters if trained is None else trained
    return ModelStates(2 * parameters, 6 * trained // gpus, 12 * trained // gpus)


def activations(
    model: SpeechLM, positions: int, frames: int, value_bytes: int = _BYTES
) -> Activations:
    """Bytes of a batch, by the formula above.

    Args:
        model: In the prefix mode; may lie on the meta device.
        positions: Positions of all sequences, padding included.
        frames: Target frames among them.
        value_bytes: Of an activation.

    Raises:
        UserError: a backbone of another shape than the formula's.
    """
    config = getattr(model.corelm.backbone, "config", None)
    model_type = getattr(config, "model_type", "built-in")
    if model_type not in _LLAMA_SHAPED or model.synchronous:
        raise UserError("memory", f"a {model_type} backbone, {model.config.conditioning}",
                        f"{' or '.join(_LLAMA_SHAPED)}, prefix")  # fmt: skip
    n, d, e = positions, config.hidden_size, value_bytes
    heads, f = config.num_attention_heads, config.intermediate_size
    d_kv = d * config.num_key_value_heads // heads
    layer = n * (2 * (4 + 2 * e) * d + 2 * e * (d + d_kv) + 4 * e * f + 4 * heads + 8)
    if model.config.packing and model.corelm.attention != "flash_attention_2":
        layer += n * e * d
    sizes = stream_sizes(model.vocabulary)
    frames = min(frames, model.config.loss_chunk or frames)
    head = sum(frames * (e * d + 4 * K + 16) for K in sizes) + 2 * e * (sizes[0] + 1) * d
    layers = config.num_hidden_layers
    rest = n * ((4 + e) * d + 4) + head
    return Activations(layers * layer + rest, layers * n * e * d + layer + rest, layer)


def count_parameters(model: SpeechLM) -> tuple[int, int]:
    """All parameters, and those that are trained; tied ones once."""
    parameters = list(model.parameters())
    return (
        sum(p.numel() for p in parameters),
        sum(p.numel() for p in parameters if p.requires_grad),
    )


def memory_table(
    model: SpeechLM, positions: int, frames: int, gpus: Sequence[int] = GPUS
) -> Iterator[str]:
    """Lines of a Markdown table, in GiB per GPU."""
    parameters, trained = count_parameters(model)
    kept = activations(model, positions, frames)
    yield (
        "| GPUs | parameters | gradients | optimizer | activations | total "
        "| activations, checkpointed | total, checkpointed |"
    )
    yield "|---|---|---|---|---|---|---|---|"
    for n in gpus:
        states = model_states(parameters, n, trained)
        values = (
            states.parameters, states.gradients, states.optimizer,
            kept.whole, states.total + kept.whole,
            kept.checkpointed, states.total + kept.checkpointed,
        )  # fmt: skip
        yield f"| {n} | " + " | ".join(f"{value / GIB:.2f}" for value in values) + " |"
