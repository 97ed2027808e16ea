"""MaskGCT's published models: text to semantic tokens, and semantic to acoustic ones.

The folder ``amphion/MaskGCT`` on the Hugging Face hub holds weights without configurations. Their
names and shapes say every size but the number of attention heads. The weights are licensed
CC-BY-NC-4.0, and so is whatever is trained from them: not for commercial use.

Source: Wang et al. 2024 (arXiv 2409.00750).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import BoolTensor, LongTensor, Tensor

from espnet2_ext.checkpoint import load_state, load_strict
from espnet2_ext.conditions.condition import Sizes
from espnet2_ext.data.batch import Batch
from espnet2_ext.errors import UserError
from espnet2_ext.hub import fetch
from espnet2_ext.masked.config import MaskedConfig, NetworkConfig, PromptConfig
from espnet2_ext.masked.model import ACOUSTIC, SEMANTIC, MaskedModel
from espnet2_ext.masked.options import PREFIX, PROMPT, MaskedDecoding

T2S, S2A_FIRST, S2A_FULL = "t2s", "s2a_1layer", "s2a_full"
FILES = {
    T2S: "t2s_model/model.safetensors",
    S2A_FIRST: "s2a_model/s2a_model_1layer/model.safetensors",
    S2A_FULL: "s2a_model/s2a_model_full/model.safetensors",
}
HEADS = 16
SEMANTIC_DECODING = MaskedDecoding(steps=(25,), temperature=0.9, without=(PROMPT, PREFIX))
ACOUSTIC_DECODING = MaskedDecoding()

_UNUSED = "diff_estimator.embed_tokens.weight"  # a table of no rows
_NAMES = {
    T2S: {
        "cond_emb.": "generator.token_emb.0.",
        "to_logit.": "generator.to_logits.0.",
        "phone_emb.": "conditions.text.symbol.",
    },
    S2A_FIRST: {"cond_emb.": "conditions.semantic.code."},
    S2A_FULL: {"cond_emb.": "conditions.semantic.code."},
}


@dataclass(frozen=True)
class Shape:
    """Sizes of one of the models.

    Args:
        name: `T2S`, `S2A_FIRST` or `S2A_FULL`.
        network: Of its network.
        semantic: Semantic codes.
        codes: Acoustic codes of each layer; none of `T2S`.
        phones: Symbols of `T2S`.
    """

    name: str
    network: NetworkConfig
    semantic: int
    codes: tuple[int, ...] = ()
    phones: int = 0


PUBLISHED = {
    T2S: Shape(T2S, NetworkConfig(1536, HEADS, 16), 8192, (), 1024),
    S2A_FIRST: Shape(S2A_FIRST, NetworkConfig(1024, HEADS, 16), 8192, (1024,)),
    S2A_FULL: Shape(S2A_FULL, NetworkConfig(1024, HEADS, 16), 8192, (1024,) * 12),
}


def new_model(shape: Shape) -> MaskedModel:
    """The untrained model of a shape, to be trained further as MaskGCT was."""
    config = MaskedConfig(shape.network)
    sizes = Sizes(shape.network.width, (shape.semantic, *shape.codes))
    if shape.name == T2S:
        prompt = PromptConfig(longest_share=0.4)
        config = replace(config, prompt=prompt, least_masked=0.2, layer_embedding=False)
        text = {"n_symbols": shape.phones, "n_layers": 0, "drop": 0.0, "null": False}
        return MaskedModel(SEMANTIC, sizes, config, {"text": text}, T2S)
    first = int(shape.name == S2A_FULL)
    return MaskedModel(
        ACOUSTIC, sizes, replace(config, first_layer=first), {"semantic": {}}, shape.name
    )


def read_model(source: str | Path, name: str, heads: int = HEADS) -> MaskedModel:
    """Read one of the models, for inference.

    Args:
        source: The published folder, or its name on the Hugging Face hub.
        name: `T2S`, `S2A_FIRST` or `S2A_FULL`.
        heads: Of attention, which weights do not tell.

    Raises:
        UserError: a file is missing, or a parameter is missing, unknown or of another shape.
    """
    path = fetch(source, only=[FILES[name]]) / FILES[name]
    state = load_state(path)
    shape = _shape(state, name, heads, path)
    state.pop(_UNUSED, None)
    model = new_model(shape)
    named = {_renamed(key, name): tensor for key, tensor in state.items()}
    return load_strict(model, named, path).eval()


def _renamed(key: str, name: str) -> str:
    for old, new in _NAMES[name].items():
        if key.startswith(old):
            return new + key.removeprefix(old)
    return f"generator.{key}"


def _shape(state: Mapping[str, Tensor], name: str, heads: int, path: Path) -> Shape:
    def size(key: str, dim: int) -> int:
        tensor: Any = state.get(key)
        if tensor is None or tensor.dim() <= dim:
            raise UserError(path, f"missing parameter {key}", f"MaskGCT's {name}")
        return tensor.size(dim)

    def count(pattern: str) -> int:
        found = {int(m[1]) for key in state if (m := re.match(pattern, key))}
        return len(found)

    width = size("mask_emb.weight", 1)
    inner = size("diff_estimator.layers.0.mlp.gate_proj.weight", 0)
    if width % (2 * heads) or inner % width:
        found, expected = f"width {width}, inner {inner}", f"heads {heads} that divide the width"
        raise UserError(path, found, expected)
    layers = count(r"diff_estimator\.layers\.(\d+)\.")
    network = NetworkConfig(width, heads, layers, inner // width)
    semantic = size("cond_emb.weight", 0)
    if name == T2S:
        return Shape(name, network, semantic, (), size("phone_emb.weight", 0))
    codes = tuple(size(f"token_emb.{i}.weight", 0) for i in range(count(r"token_emb\.(\d+)\.")))
    return Shape(name, network, semantic, codes)


def generate(
    models: Mapping[str, MaskedModel],
    phones: LongTensor,
    prompt: LongTensor,
    n_frames: int,
    seed: int = 0,
) -> LongTensor:
    """Speak as MaskGCT does: semantic tokens, the first acoustic layer, then the others.

    Args:
        models: The three of them, by name.
        phones: Ids of the prompt's and the target's phones (S,).
        prompt: Semantic and acoustic codes of the prompt (P, 1 + N).
        n_frames: Of the target.
        seed: Of the noise.

    Returns:
        Semantic and acoustic codes of the target (n_frames, 1 + N).
    """
    P, device = len(prompt), prompt.device
    codes = torch.cat([prompt, prompt.new_zeros(n_frames, prompt.size(1))])
    prompts = torch.tensor([P], device=device)

    def fill(name: str, streams: slice, fixed: BoolTensor | None = None) -> None:
        config = SEMANTIC_DECODING if name == T2S else ACOUSTIC_DECODING
        shown = slice(0, 2) if name == S2A_FIRST else slice(None)
        batch = Batch.of(device, codec_ssl=[codes[:, shown]], text_ids=[phones])
        found = models[name].generate(batch, prompts, config, [seed], fixed)
        codes[:, streams] = found.tokens[0]

    fill(T2S, slice(0, 1))
    fill(S2A_FIRST, slice(1, 2))
    given = torch.zeros(1, len(codes), prompt.size(1) - 1, dtype=torch.bool, device=device)
    given[..., 0] = True
    fill(S2A_FULL, slice(1, None), given)
    return codes[P:]
