"""Writing a packed model (`inference.pack`) from what a recipe has made."""

import os
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml

from espnet2_ext.checkpoint import load_state, save_safetensors
from espnet2_ext.files import (
    LICENCE_FILE,
    atomic_path,
    read_counts,
    read_json,
    read_scp,
    read_table,
    read_text,
    read_yaml,
    write_json,
    write_text,
)
from espnet2_ext.inference.model_card import model_card
from espnet2_ext.inference.pack_about import FORMAT, MIDI_RANGE
from espnet2_ext.inference.packed_steps import STEPS
from espnet2_ext.inference.packed_systems import SYSTEMS, TRANSCRIPTION
from espnet2_ext.score.formats.espnet_format import read_scores
from espnet2_ext.scratch import scratch_folder

"""Of the corpus, beside the manifest; in the folder of a part, of its weights."""
_COPIED = (".yaml", ".safetensors", ".txt")


@dataclass(frozen=True)
class PackSources:
    """Where the parts of a pack lie.

    Args:
        models: For each model of the system, and `TRANSCRIPTION` where there is one: (experiment
            folder, checkpoint file in it). A ``LICENSE.txt`` there is the licence of its weights.
        inference: Inference options of models that have any.
        tokenizer_dir: Fitted tokenizers.
        tokens_dir: Token folder of the training split: prompts come from it.
        data_dir: Data directory of the training split: singers, their ranges, the licence.
        system: One of `SYSTEMS`.
        vocabulary_dir: ``token_list.json`` and ``token_bias.json``, of a system that has them.
        results: ``results.json``, or None.
    """

    models: Mapping[str, tuple[Path, str]]
    inference: Mapping[str, Mapping[str, Any]]
    tokenizer_dir: Path
    tokens_dir: Path
    data_dir: Path
    system: str = "speechlm"
    vocabulary_dir: Path | None = None
    results: Path | None = None


def singer_ranges(data_dir: str | Path) -> dict[str, list[int]]:
    """Lowest and highest MIDI number that each singer of a data directory sings."""
    sung = defaultdict(set)
    singers = read_table(Path(data_dir) / "utt2spk")
    for utterance, score in read_scores(data_dir).items():
        sung[singers[utterance]] |= {n.midi for n in score.notes if not n.is_rest}
    return {singer: [min(notes), max(notes)] for singer, notes in sorted(sung.items()) if notes}


def choose_prompts(tokens_dir: str | Path, n_streams: int) -> dict[str, torch.Tensor]:
    """One prompt per singer: the utterance of median length, as tokens (P, n_streams) int32."""
    tokens_dir = Path(tokens_dir)
    by_singer = defaultdict(list)
    lengths = read_counts(tokens_dir / "utt2num_frames")
    for utterance, singer in read_table(tokens_dir / "utt2spk").items():
        if utterance in lengths:
            by_singer[singer].append((lengths[utterance], utterance))
    tokens = read_scp(tokens_dir / "codec_ssl.scp")
    chosen = {s: sorted(found)[len(found) // 2][1] for s, found in sorted(by_singer.items())}
    return {s: torch.from_numpy(tokens[u].reshape(-1, n_streams)) for s, u in chosen.items()}


def write_pack(sources: PackSources, out: str | Path, about: dict[str, Any]) -> Path:
    """Write the archive atomically with ESPnet's packer.

    Args:
        sources: The parts.
        out: A ``.zip``.
        about: Goes into the manifest as it is (name, corpus, licence, commit, command...).

    Raises:
        UserError: a part is missing or damaged.
    """
    from espnet2_ext.tokenizer.tokenizers import Tokenizers

    system = SYSTEMS[sources.system]
    tokenizers = Tokenizers.load(sources.tokenizer_dir)
    steps = system.steps(sources.inference, hasattr(tokenizers.codec, "decode_mel"))
    with scratch_folder() as folder:
        _copy(sources.tokenizer_dir, folder / "tokenizer")
        if sources.vocabulary_dir is not None:
            names = ("token_list.json", "token_bias.json")
            _copy(sources.vocabulary_dir, folder / "vocabulary", names)
        used = {word for step in steps for word in step.values()} | {TRANSCRIPTION}
        for model in used & sources.models.keys():
            write_model(folder / model, *sources.models[model], sources.inference.get(model))
        prompts = choose_prompts(sources.tokens_dir, tokenizers.n_streams)
        save_safetensors(prompts, folder / "prompts.safetensors")
        licences = {p.parent.name: read_text(p) for p in sorted(folder.glob(f"*/{LICENCE_FILE}"))}
        licence = Path(sources.data_dir) / LICENCE_FILE
        if licence.is_file():
            (folder / LICENCE_FILE).write_bytes(licence.read_bytes())
        results = None if sources.results is None else read_json(sources.results)
        if results is not None:
            write_json(folder / "results.json", results)
        ranges = singer_ranges(sources.data_dir)
        manifest = {
            "format": FORMAT,
            **about,
            "licences": licences,
            "languages": sorted(set(read_table(Path(sources.data_dir) / "utt2lang").values())),
            "singers": {s: {"midi_range": ranges.get(s, MIDI_RANGE)} for s in prompts},
            "steps": steps,
        }
        write_json(folder / "manifest.json", manifest)
        does = {step["step"]: STEPS[step["step"]].does for step in steps}
        card = model_card(manifest, does, tokenizers.mel, tokenizers.phones, results, system.rows)
        (folder / "README.md").write_text(card, encoding="utf-8")
        return write_archive(folder, out)


def write_archive(folder: Path, out: str | Path) -> Path:
    """Write all files of a folder as an archive, atomically, with ESPnet's packer."""
    from espnet2.main_funcs.pack_funcs import pack

    out = Path(out).resolve()
    files = sorted(p.relative_to(folder) for p in folder.rglob("*") if p.is_file())
    with atomic_path(out) as part:
        _pack_in(folder, pack, files, part)
    return out


def write_model(
    folder: Path, experiment: Path, checkpoint: str, options: Mapping[str, Any] | None
) -> None:
    """``config.yaml``, ``model.safetensors``, and what else there is of a model."""
    folder.mkdir()
    values = {"config.yaml": read_yaml(Path(experiment) / "config.yaml")}
    if options is not None:
        values["inference.yaml"] = dict(options)
    for name, content in values.items():
        write_text(folder / name, yaml.safe_dump(content, sort_keys=False))
    save_safetensors(load_state(Path(experiment) / checkpoint), folder / "model.safetensors")
    if (Path(experiment) / LICENCE_FILE).is_file():
        write_text(folder / LICENCE_FILE, read_text(Path(experiment) / LICENCE_FILE))


def _pack_in(folder: Path, pack: Any, files: list[Path], out: Path) -> None:
    """ESPnet's packer stores paths relative to the working directory, so it runs in `folder`."""
    back = os.getcwd()
    os.chdir(folder)
    try:
        pack(files={}, yaml_files={}, outpath=out, option=files)
    finally:
        os.chdir(back)


def _copy(source: str | Path, target: Path, names: tuple[str, ...] = ()) -> None:
    target.mkdir(parents=True)
    for path in sorted(Path(source).iterdir()):
        wanted = path.name in names if names else path.suffix in _COPIED
        if wanted and path.is_file():
            (target / path.name).write_bytes(path.read_bytes())
