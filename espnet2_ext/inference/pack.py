"""A packed model: everything that singing needs in one archive, and the checks that it fits.

Inside: ``manifest.json`` (format, licence, corpus, languages, singers, steps, commit, command),
``README.md`` (the model card), ``prompts.safetensors`` (codec_ssl tokens of each singer),
``tokenizer/`` (with phone set, mel configuration and statistics), ``vocabulary/``, and for each of
`MODELS` a folder with ``config.yaml``, ``model.safetensors`` and, where the model has options,
``inference.yaml``; ``LICENSE.txt`` and ``results.json`` where there are any.
"""

import os
from collections import defaultdict
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import LongTensor

from espnet2_ext.archive import extract
from espnet2_ext.audio.mel import MelConfig
from espnet2_ext.checkpoint import load_state, save_safetensors
from espnet2_ext.errors import UserError
from espnet2_ext.files import (
    atomic_path,
    read_counts,
    read_json,
    read_scp,
    read_table,
    read_text,
    read_yaml,
    write_json,
)
from espnet2_ext.inference.model_card import model_card
from espnet2_ext.inference.pack_about import FORMAT, MIDI_RANGE, PackAbout, read_manifest
from espnet2_ext.inference.packed_steps import PackFiles, build_pipeline, steps_of_slm_svs
from espnet2_ext.inference.pipeline import Pipeline
from espnet2_ext.score.formats.espnet_format import read_scores
from espnet2_ext.scratch import scratch_folder

MODELS = ("speechlm", "flow", "vocoder", "duration")
TRANSCRIPTION = "transcription"
"""Which a pack may have beside them: it sings without."""


@dataclass(frozen=True)
class PackSources:
    """Where the parts of a pack lie.

    Args:
        models: For each of `MODELS`, and `TRANSCRIPTION` where there is one: (experiment folder,
            checkpoint file in it).
        inference: YAML of inference options, for models that have one.
        tokenizer_dir: Fitted tokenizers.
        vocabulary_dir: ``token_list.json`` and ``token_bias.json``.
        tokens_dir: Token folder of the training split: prompts come from it.
        data_dir: Data directory of the training split: singers, their ranges, the licence.
        results: ``results.json``, or None.
    """

    models: dict[str, tuple[Path, str]]
    inference: dict[str, Path]
    tokenizer_dir: Path
    vocabulary_dir: Path
    tokens_dir: Path
    data_dir: Path
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
    """
    from espnet2.main_funcs.pack_funcs import pack

    from espnet2_ext.tokenizer.tokenizers import Tokenizers

    out = Path(out).resolve()
    tokenizers = Tokenizers.load(sources.tokenizer_dir)
    with scratch_folder() as folder:
        _copy(sources.tokenizer_dir, folder / "tokenizer")
        _copy(sources.vocabulary_dir, folder / "vocabulary", ("token_list.json", "token_bias.json"))
        options: dict[str, dict[str, Any]] = {}
        for model, (experiment, checkpoint) in sources.models.items():
            (folder / model).mkdir()
            config = read_yaml(Path(experiment) / "config.yaml")
            (folder / model / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
            state = load_state(Path(experiment) / checkpoint)
            save_safetensors(state, folder / model / "model.safetensors")
            if model in sources.inference:
                options[model] = read_yaml(sources.inference[model])
                text = yaml.safe_dump(options[model], sort_keys=False)
                (folder / model / "inference.yaml").write_text(text)
        prompts = choose_prompts(sources.tokens_dir, tokenizers.n_streams)
        save_safetensors(prompts, folder / "prompts.safetensors")
        licence = Path(sources.data_dir) / "LICENSE.txt"
        if licence.is_file():
            (folder / "LICENSE.txt").write_bytes(licence.read_bytes())
        results = None if sources.results is None else read_json(sources.results)
        if results is not None:
            write_json(folder / "results.json", results)
        ranges = singer_ranges(sources.data_dir)
        singers = {s: {"midi_range": ranges.get(s, MIDI_RANGE)} for s in prompts}
        languages = sorted(set(read_table(Path(sources.data_dir) / "utt2lang").values()))
        steps = steps_of_slm_svs(options.get("speechlm", {}))
        manifest = {
            "format": FORMAT, **about, "languages": languages, "singers": singers, "steps": steps
        }  # fmt: skip
        write_json(folder / "manifest.json", manifest)
        card = model_card(manifest, tokenizers.mel, tokenizers.phones, results)
        (folder / "README.md").write_text(card, encoding="utf-8")
        files = sorted(p.relative_to(folder) for p in folder.rglob("*") if p.is_file())
        with atomic_path(out) as part:
            _pack_in(folder, pack, files, part)
    return out


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
        wanted = path.name in names if names else path.suffix in (".yaml", ".safetensors", ".txt")
        if wanted and path.is_file():
            (target / path.name).write_bytes(path.read_bytes())


def _prompts(path: Path) -> dict[str, LongTensor]:
    state = load_state(path)
    for singer, tokens in state.items():
        if tokens.is_floating_point() or tokens.is_complex():
            raise UserError(path, f"{tokens.dtype}", "whole numbers", f"prompt of {singer}")
    return {singer: tokens.long() for singer, tokens in state.items()}


@dataclass
class PackedModel:
    """The parts of a pack, loaded and checked against each other.

    Args:
        manifest: What the pack says of itself.
        tokenizers: Clock, phones, codec and SSL model.
        vocabulary: Tokens of its language model.
        pipeline: Its steps from a score to samples.
        prompts: Tokens (P, n_streams) of each singer.
    """

    manifest: dict[str, Any]
    tokenizers: Any
    vocabulary: Any
    pipeline: Pipeline
    prompts: dict[str, LongTensor]
    about: PackAbout = field(init=False)

    def __post_init__(self) -> None:
        self.about = PackAbout.of(self.manifest, self.tokenizers.phones)

    @classmethod
    def load(
        cls,
        pack: str | Path,
        device: str = "cpu",
        offline: bool = False,
        dtype: str | None = None,
    ) -> "PackedModel":
        """Load a pack from its archive or from the folder that it was unpacked to.

        Args:
            pack: Archive or folder.
            device: Where it runs.
            offline: Take a model of the hub that it names from the hub's cache alone.
            dtype: As for `SingingSynthesizer.from_pretrained`.

        Raises:
            UserError: missing, damaged or unsafe pack; a part that does not fit the others.
        """
        pack = Path(pack)
        if pack.is_dir():
            return cls._load_folder(pack, pack, device, offline, dtype)
        with scratch_folder() as scratch:
            folder = extract(pack, scratch / "pack")
            try:
                return cls._load_folder(folder, pack, device, offline, dtype)
            except UserError as error:
                raise error.moved(folder, pack) from error.__cause__

    @classmethod
    def _load_folder(
        cls, folder: Path, place: Path, device: str, offline: bool, dtype: str | None
    ) -> "PackedModel":
        from espnet2_ext.tokenizer.tokenizers import Tokenizers
        from espnet2_ext.tokenizer.vocabulary import Vocabulary

        manifest = read_manifest(folder, place)
        tokenizers = Tokenizers.load(folder / "tokenizer", offline=offline)
        files = PackFiles(folder, tokenizers, device, dtype)
        steps = manifest.get("steps")
        if manifest["format"] == 1:
            path = folder / "speechlm/inference.yaml"
            steps = steps_of_slm_svs(read_yaml(path) if path.is_file() else {})
        packed = cls(
            manifest=manifest,
            tokenizers=tokenizers,
            vocabulary=Vocabulary.load(folder / "vocabulary"),
            pipeline=build_pipeline(files, steps, f"{place}: manifest.json"),
            prompts=_prompts(folder / "prompts.safetensors"),
        )
        packed.check(place)
        return packed

    def check(self, place: str | Path) -> None:
        """Refuse parts that were not made for each other.

        Raises:
            UserError: another mel configuration, number of streams, vocabulary or phone set.
        """
        from espnet2_ext.flow.token_embedding import check_codes

        for name, step in self.pipeline.steps.items():
            step.check(self.tokenizers, self.vocabulary, f"{place}: {name}")
        sizes = [end - start for start, end in self.vocabulary.stream_slices()]
        if sizes != list(self.tokenizers.sizes):
            expected = f"{list(self.tokenizers.sizes)}, as the tokenizers"
            raise UserError(f"{place}: vocabulary", f"streams of {sizes} codes", expected)
        if not self.prompts:
            raise UserError(f"{place}: prompts.safetensors", "no prompts", "one of each singer")
        n_streams = self.tokenizers.n_streams
        for singer, tokens in self.prompts.items():
            if tokens.dim() != 2 or not len(tokens) or tokens.size(1) != n_streams:
                found = f"tokens of shape {tuple(tokens.shape)}"
                raise UserError(f"{place}: prompt of {singer}", found, f"(P, {n_streams})")
            check_codes(tokens, sizes, f"{place}: prompt of {singer}")

    def require(
        self,
        place: str | Path,
        mel_config: str | Path | None = None,
        phone_list: str | Path | None = None,
        token_list: str | Path | None = None,
    ) -> None:
        """Refuse a pack that is not of what the user names.

        Args:
            place: The pack, for errors.
            mel_config: YAML of a mel configuration.
            phone_list: Phones, one a line, in the order of their ids.
            token_list: ``token_list.json`` of a vocabulary.

        Raises:
            UserError: the pack has another; the first difference is named.
        """
        if mel_config is not None:
            MelConfig.load(mel_config).require_same(self.tokenizers.mel, place)
        for path, read, own, field_name in (
            (phone_list, lambda p: read_text(p).split(), self.tokenizers.phones, "phone set"),
            (token_list, read_json, self.vocabulary.tokens, "vocabulary"),
        ):
            if path is None:
                continue
            wanted = read(path)
            for k, (has, wants) in enumerate(zip_longest(own, wanted)):
                if has != wants:
                    raise UserError(
                        place, f"{has!r} at position {k}", f"{wants!r}, as {path}", field_name
                    )
