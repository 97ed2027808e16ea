"""Pretrained speech and text LMs as a starting point: read strictly, under one set of names.

Three layouts are read. ESPnet-SpeechLM's experiments as published (``config.yaml``, which holds the
token list, and a ``.pth``, flat or within ``{"model": ...}``); our own experiments; Hugging Face
causal LMs, whose text tokens follow the 256 special ones. Names follow ESPnet-SpeechLM, checked
against its ``speechlm`` branch (``core_lm/ar_parallel.py``, ``module/huggingface.py``). Nothing is
unpickled, and what is missing, left over or of another shape is an error that names it.
"""

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from espnet2_ext.checkpoint import load_state, load_strict
from espnet2_ext.errors import UserError
from espnet2_ext.files import read_json, read_text, read_yaml
from espnet2_ext.hub import fetch, named_files
from espnet2_ext.speechlm.corelm import BUILTIN, backbone_config
from espnet2_ext.speechlm.grow import TABLES, describe, grow, mean_rows
from espnet2_ext.speechlm.model import SpeechLM
from espnet2_ext.tokenizer.vocabulary import TOKEN_LIST, Vocabulary, special_tokens

_WRAPPERS = ("model", "module")
_EMBEDDINGS = ("decoders.model.embed_tokens.weight", "decoders.model.embed_in.weight")
_INV_FREQ = "rotary_emb.inv_freq"  # a constant that older transformers saved
_PREFERRED = ("model.pth", "model.safetensors", "valid.loss.best.pth")
_SHAPE = ("backbone", "share_emb", "aux_lm_head", "max_streams")
HEAD_EMB = "corelm.head_emb.weight"
# Shapes of the backbones of the published checkpoints, which their config.yaml only names.
_LLAMA_1_7B = {
    "model_type": "llama", "hidden_size": 2048, "intermediate_size": 8192,
    "num_hidden_layers": 24, "num_attention_heads": 32, "num_key_value_heads": 32,
    "rms_norm_eps": 1e-5,
}  # fmt: skip
_SMOLLM2 = {
    **_LLAMA_1_7B,
    "max_position_embeddings": 8192,
    "rope_parameters": {"rope_type": "default", "rope_theta": 130000.0},
}
BACKBONES: dict[str, dict[str, Any]] = {
    "HuggingFaceTB/SmolLM-1.7B": {**_LLAMA_1_7B, "max_position_embeddings": 2048},
    "HuggingFaceTB/SmolLM2-1.7B": _SMOLLM2,
    "HuggingFaceTB/SmolLM2-1.7B-Instruct": _SMOLLM2,
    "allenai/OLMo-2-1124-7B": {
        "model_type": "olmo2", "hidden_size": 4096, "intermediate_size": 11008,
        "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 32,
        "max_position_embeddings": 4096, "rms_norm_eps": 1e-6,
        "rope_parameters": {"rope_type": "default", "rope_theta": 500000.0},
    },
}  # fmt: skip


@dataclass(frozen=True)
class PretrainedConfig:
    """How a pretrained model is found and grown.

    Args:
        revision: On the hub: commit, branch or tag.
        file: The weights within the folder, where it has several.
        offline: No network: a local folder, or the hub's cache.
        cache_dir: Of the hub; default: HF_HOME's.
        seed: Of the noise on new rows.
    """

    revision: str | None = None
    file: str | None = None
    offline: bool = False
    cache_dir: str | None = None
    seed: int = 0


@dataclass(frozen=True)
class Pretrained:
    """A pretrained LM.

    Args:
        place: Where it was read, for messages.
        vocabulary: Its tokens.
        corelm_conf: What `DelayLM` takes to have its shape.
        state: Parameters of the LM, ``corelm.*``, and of further parts of our own models.
    """

    place: str
    vocabulary: Vocabulary
    corelm_conf: dict[str, Any]
    state: dict[str, Tensor] = field(repr=False)


def pretrained_vocabulary(source: str | Path, config: PretrainedConfig) -> Vocabulary:
    """The tokens of a pretrained model, or of a folder of ``token_list.json`` alone."""
    path = _fetch(source, config)
    if path.is_dir() and (path / TOKEN_LIST).is_file():
        return Vocabulary.load(path)
    if _is_hugging_face(path):
        return _text_vocabulary(path)
    experiment = _experiment(path, config)
    return _vocabulary(read_yaml(experiment.config), experiment.config)


def read_pretrained(source: str | Path, config: PretrainedConfig) -> Pretrained:
    """Read a pretrained model.

    Args:
        source: Local folder, local weights, or ``owner/name`` on the hub.
        config: Options.

    Raises:
        UserError: it is not to be had, or is not of a layout that is read.
    """
    path = _fetch(source, config)
    if _is_hugging_face(path):
        return _read_hugging_face(path, config)
    experiment = _experiment(path, config)
    args, place = read_yaml(experiment.config), str(experiment.weights)
    state = _upstream_names(load_state(experiment.weights, _WRAPPERS, mmap=True), place)
    for name in (*TABLES, HEAD_EMB):
        if name not in state:
            raise UserError(place, f"missing parameter {name}")
    vocabulary = _vocabulary(args, experiment.config)
    conf = args.get("corelm_conf") or {}
    if conf.get("share_emb") and not torch.equal(*(state[name] for name in TABLES)):
        raise UserError(place, f"{TABLES[0]} and {TABLES[1]} differ", "one table", "share_emb")
    if "backbone" in conf:
        return Pretrained(place, vocabulary, {k: conf[k] for k in _SHAPE if k in conf}, state)
    corelm_conf = {
        "backbone": _backbone(args, state, experiment.config, config),
        "share_emb": bool(conf.get("share_emb", False)),
        "aux_lm_head": "corelm.aux_lm_head.weight" in state,
        "max_streams": len(state[HEAD_EMB]),
    }
    nq = args.get("codec_token_in_use")
    if nq is not None and nq != vocabulary.nq:
        raise UserError(
            experiment.config, f"{nq}", f"{vocabulary.nq}, as the tokens", "codec_token_in_use"
        )
    return Pretrained(place, vocabulary, corelm_conf, state)


def merge_conf(pretrained: Pretrained, conf: Mapping[str, Any], place: str) -> dict[str, Any]:
    """``corelm_conf`` of a model that starts from `pretrained`.

    Its shape is the checkpoint's; a YAML that states a shape must state the same. Untying head and
    embedding (``share_emb: false``) is allowed: both then start from the one table.

    Raises:
        UserError: naming what differs.
    """
    theirs = pretrained.corelm_conf
    for key, value in conf.items():
        if key == "backbone":
            _same_backbone(theirs[key], value, f"{place}: corelm_conf: backbone")
        elif key in ("aux_lm_head", "max_streams") and value != theirs.get(key, value):
            raise UserError(place, f"{value}", f"{theirs[key]}, as {pretrained.place}", key)
    if conf.get("share_emb", False) and not theirs.get("share_emb", False):
        raise UserError(place, "true", f"false, as {pretrained.place}", "share_emb")
    backbone = conf.get("backbone", theirs["backbone"])
    return {**theirs, **conf, "backbone": backbone}


def initialise(model: SpeechLM, pretrained: Pretrained, seed: int = 0) -> None:
    """Give `model` the weights of `pretrained`, grown to the model's vocabulary.

    Every row that the checkpoint has stays as it is; the log says what each new row starts from.
    Parts that the checkpoint does not have (a score encoder) keep their own start.

    Raises:
        UserError: a missing, extra or mis-shaped parameter, or a vocabulary that is not an
            extension of the checkpoint's.
    """
    grown = grow(pretrained.state, pretrained.vocabulary, model.vocabulary, seed)
    for line in describe(grown.rows):
        logging.info("pretrained: %s", line)
    own = model.state_dict()
    parts = {name.partition(".")[0] for name in grown.state}
    fresh = sorted({name.partition(".")[0] for name in own} - parts)
    state = {**grown.state, **{n: t for n, t in own.items() if n.partition(".")[0] in fresh}}
    if HEAD_EMB not in state:  # a text LM has no streams
        state[HEAD_EMB] = own[HEAD_EMB]
        fresh.append(HEAD_EMB)
    load_strict(model, state, pretrained.place)
    logging.info("pretrained: %s; own start: %s", pretrained.place, ", ".join(fresh) or "nothing")


def _fetch(source: str | Path, config: PretrainedConfig) -> Path:
    return fetch(source, config.revision, config.offline, config.cache_dir)


def _is_hugging_face(path: Path) -> bool:
    return (path / "config.json").is_file() and not any(path.rglob("config.yaml"))


@dataclass(frozen=True)
class _Experiment:
    config: Path
    weights: Path


def _experiment(path: Path, config: PretrainedConfig) -> _Experiment:
    if path.is_file():
        return _Experiment(path.with_name("config.yaml"), path)
    named = named_files(path, config.file)
    if named is not None:  # a packed model of the ESPnet model zoo
        return _Experiment(*named)
    if (path / "config.yaml").is_file():
        found = [path / "config.yaml"]
    else:
        # a snapshot holds the tokenizers' experiments too
        found = [c for c in sorted(path.rglob("config.yaml"))
                 if re.search(r"^corelm(_conf)?:", read_text(c), re.M)]  # fmt: skip
    if len(found) != 1:
        names = ", ".join(str(c.parent.relative_to(path)) for c in found) or "no config.yaml"
        raise UserError(path, names, "one speech-LM experiment: name its folder")
    folder = found[0].parent
    if config.file is not None:
        return _Experiment(found[0], folder / config.file)
    files = {p.name: p for p in sorted(folder.iterdir()) if p.suffix in (".pth", ".safetensors")}
    chosen = [files[name] for name in _PREFERRED if name in files]
    if not chosen and len({p.resolve() for p in files.values()}) != 1:
        raise UserError(folder, ", ".join(files) or "no weights", "one of them named",
                        "pretrained_conf: file")  # fmt: skip
    return _Experiment(found[0], (chosen or list(files.values()))[0])


def _vocabulary(args: Mapping[str, Any], config: Path) -> Vocabulary:
    tokens, bias = args.get("token_list"), args.get("token_bias")
    if isinstance(tokens, list) and isinstance(bias, dict):
        return Vocabulary.read(tokens, bias, str(config))
    if config.with_name(TOKEN_LIST).is_file():
        return Vocabulary.load(config.parent)
    raise UserError(config, "no token list", f"one in it, or {TOKEN_LIST} beside it", "token_list")


def _upstream_names(state: Mapping[str, Tensor], place: str) -> dict[str, Tensor]:
    """Drop what upstream saves twice or never uses; leave the rest to the strict check."""
    named: dict[str, Tensor] = {}
    twice: dict[str, Tensor] = {}
    for name, tensor in state.items():
        if "criterion." in name:
            twice[name] = tensor  # the loss holds the heads once more
        elif name.endswith((*_EMBEDDINGS, _INV_FREQ)):
            logging.info("pretrained: %s is not used by the model: left out", name)
        else:
            named[re.sub(r"decoders\.model\.(?=pos_emb|blocks|ln\.)", "decoders.", name)] = tensor
    for name, tensor in twice.items():
        original = named.get("corelm." + name.partition("criterion.")[2])
        if original is None:
            raise UserError(place, f"unknown parameter {name}")
        if tensor.data_ptr() != original.data_ptr() and not torch.equal(tensor, original):
            raise UserError(place, "differs from the model's own copy", field=name)
    return named


def _backbone(
    args: Mapping[str, Any], state: Mapping[str, Tensor], place: Path, config: PretrainedConfig
) -> dict[str, Any]:
    conf = {**(args.get("corelm_conf") or {}), **(args.get("transformer_conf") or {})}
    tag = conf.get("hf_model_tag")
    positions = state.get("corelm.decoders.pos_emb.weight")
    if positions is not None:
        blocks = {n.split(".")[3] for n in state if n.startswith("corelm.decoders.blocks.")}
        return {
            "model_type": BUILTIN,
            "n_ctx": len(positions),
            "n_state": positions.size(1),
            "n_head": conf.get("n_head", conf.get("head", 4)),
            "n_layer": len(blocks),
            "qk_norm": "corelm.decoders.blocks.0.attn.q_norm.weight" in state,
        }
    if not isinstance(tag, str):
        raise UserError(
            place, "neither hf_model_tag nor a built-in transformer", field="transformer"
        )
    if tag in BACKBONES:
        return BACKBONES[tag]
    folder = fetch(tag, None, config.offline, config.cache_dir, "config.json")
    return _backbone_of(folder)


def _backbone_of(folder: Path) -> dict[str, Any]:
    """The arguments of a Hugging Face configuration that are not its defaults."""
    from transformers import AutoConfig

    loaded = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    defaults = type(loaded)().to_dict()
    kept = {
        key: value
        for key, value in loaded.to_dict().items()
        if key in defaults and value != defaults[key] and not key.endswith("_token_id")
        and key not in ("vocab_size", "architectures", "dtype", "use_cache", "_name_or_path",
                        "tie_word_embeddings", "transformers_version")
    }  # fmt: skip
    return {"model_type": loaded.model_type, **kept}


def _same_backbone(theirs: Mapping[str, Any], ours: Mapping[str, Any], place: str) -> None:
    if BUILTIN in (theirs.get("model_type"), ours.get("model_type")):
        theirs, ours = dict(theirs), dict(ours)
    else:
        try:
            theirs, ours = backbone_config(theirs).to_dict(), backbone_config(ours).to_dict()
        except ValueError as error:
            raise UserError(place, str(error)) from None
    for key in sorted(theirs.keys() | ours.keys()):
        if theirs.get(key) != ours.get(key) and not key.endswith("dropout"):
            raise UserError(place, f"{ours.get(key)}", f"{theirs.get(key)}, as the checkpoint", key)


def _text_vocabulary(folder: Path) -> Vocabulary:
    """Special tokens, then the text tokens of ``tokenizer.json``, one for every row."""
    tokenizer = read_json(folder / "tokenizer.json")
    size = read_json(folder / "config.json").get("vocab_size")
    try:
        pieces = tokenizer["model"]["vocab"]
        by_id = {i: t for t, i in pieces.items()} if isinstance(pieces, dict) else {
            i: piece for i, (piece, _) in enumerate(pieces)}  # fmt: skip
        by_id |= {token["id"]: token["content"] for token in tokenizer.get("added_tokens", [])}
    except (KeyError, TypeError, ValueError):
        raise UserError(folder / "tokenizer.json", "no vocabulary", "a tokenizer") from None
    if not isinstance(size, int) or not by_id or max(by_id) >= size:
        raise UserError(folder / "config.json", f"{size}", "a row for every token", "vocab_size")
    tokens = special_tokens()
    taken, start = set(tokens), len(tokens)
    for i in range(size):
        token = by_id.get(i, f"<unused_text_{i}>")
        tokens.append(f"text_bpe_{token}" if token in taken else token)
        taken.add(tokens[-1])
    return Vocabulary(tuple(tokens), {"text_bpe": (start, len(tokens))}, str(folder))


def _read_hugging_face(folder: Path, config: PretrainedConfig) -> Pretrained:
    from transformers import AutoConfig, AutoModelForCausalLM

    vocabulary, place = _text_vocabulary(folder), str(folder)
    try:
        with torch.device("meta"):
            shape = AutoModelForCausalLM.from_config(
                AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
            )
    except (OSError, ValueError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise UserError(place, f"not a causal LM ({reason})") from None
    names = {parameter: name for name, parameter in shape.named_parameters()}
    tied = shape.config.tie_word_embeddings
    embedding = names[shape.get_input_embeddings().weight]
    head = embedding if tied else names[shape.get_output_embeddings().weight]
    weights = _shards(folder)
    if tied:
        weights.pop("lm_head.weight", None)  # saved or not, it is the embedding
    tables = {}
    for table, name in (("emb", embedding), ("lm_head", head)):
        if name not in weights:
            raise UserError(place, f"missing parameter {name}")
        tables[table] = weights[name]
    prefix = f"{shape.base_model_prefix}."
    state = {
        f"corelm.decoders.model.{name.removeprefix(prefix)}": tensor
        for name, tensor in weights.items()
        if name not in (embedding, head) and not name.endswith(_INV_FREQ)
    }
    for name, table in tables.items():
        # a text LM has no special tokens: their rows start as other new ones do
        special = mean_rows(table, len(special_tokens()), config.seed)
        state[f"corelm.{name}.weight"] = torch.cat([special, table])
    return Pretrained(
        place, vocabulary, {"backbone": _backbone_of(folder), "share_emb": tied}, state
    )


def _shards(folder: Path) -> dict[str, Tensor]:
    index = folder / "model.safetensors.index.json"
    if not index.is_file():
        return load_state(folder / "model.safetensors")
    files = sorted(set((read_json(index).get("weight_map") or {}).values()))
    return {name: t for file in files for name, t in load_state(folder / Path(file).name).items()}
