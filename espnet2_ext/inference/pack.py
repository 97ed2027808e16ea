"""A packed model: everything that singing needs in one archive, and the checks that it fits.

Inside: ``manifest.json`` (format, licence, corpus, languages, singers, steps, commit, command),
``README.md`` (the model card), ``prompts.safetensors`` (codec_ssl tokens of each singer),
``tokenizer/`` (with phone set, mel configuration and statistics), ``vocabulary/`` where a step is a
speech LM, and for each model of the steps a folder with ``config.yaml``, ``model.safetensors`` and,
where the model has options, ``inference.yaml``; ``LICENSE.txt`` and ``results.json`` where there
are any. `inference.pack_writer` writes it.
"""

from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Any

from torch import LongTensor

from espnet2_ext.archive import extract
from espnet2_ext.audio.mel import MelConfig
from espnet2_ext.checkpoint import load_state
from espnet2_ext.errors import UserError
from espnet2_ext.files import read_json, read_text, read_yaml
from espnet2_ext.inference.pack_about import PackAbout, read_manifest
from espnet2_ext.inference.packed_steps import PackFiles, build_pipeline
from espnet2_ext.inference.packed_systems import steps_of_slm_svs
from espnet2_ext.inference.pipeline import Pipeline
from espnet2_ext.inference.voice import check_prompt, tokenizer_digest
from espnet2_ext.scratch import scratch_folder


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
        vocabulary: Tokens of its speech LM; None: it has no speech LM.
        pipeline: Its steps from a score to samples.
        prompts: Tokens (P, n_streams) of each singer.
        tokenizer: `tokenizer_digest` of its tokenizers, which `Voice` files name.
    """

    manifest: dict[str, Any]
    tokenizers: Any
    vocabulary: Any
    pipeline: Pipeline
    prompts: dict[str, LongTensor]
    tokenizer: str = ""
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
            steps = steps_of_slm_svs({"speechlm": read_yaml(path) if path.is_file() else {}})
        pipeline = build_pipeline(files, steps, f"{place}: manifest.json")
        has_lm = "speechlm" in pipeline.steps
        packed = cls(
            manifest=manifest,
            tokenizers=tokenizers,
            vocabulary=Vocabulary.load(folder / "vocabulary") if has_lm else None,
            pipeline=pipeline,
            prompts=_prompts(folder / "prompts.safetensors"),
            tokenizer=tokenizer_digest(folder / "tokenizer"),
        )
        packed.check(place)
        return packed

    def check(self, place: str | Path) -> None:
        """Refuse parts that were not made for each other.

        Raises:
            UserError: another mel configuration, number of streams, vocabulary or phone set.
        """
        for name, step in self.pipeline.steps.items():
            step.check(self.tokenizers, self.vocabulary, f"{place}: {name}")
        sizes = list(self.tokenizers.sizes)
        if self.vocabulary is not None:
            own = [end - start for start, end in self.vocabulary.stream_slices()]
            if own != sizes:
                expected = f"{sizes}, as the tokenizers"
                raise UserError(f"{place}: vocabulary", f"streams of {own} codes", expected)
        if not self.prompts:
            raise UserError(f"{place}: prompts.safetensors", "no prompts", "one of each singer")
        for singer, tokens in self.prompts.items():
            check_prompt(tokens, sizes, f"{place}: prompt of {singer}")

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
        if token_list is not None and self.vocabulary is None:
            raise UserError(place, "none", f"{token_list}'s: a pack with a speech LM", "vocabulary")
        vocabulary = () if self.vocabulary is None else self.vocabulary.tokens
        for path, read, own, field_name in (
            (phone_list, lambda p: read_text(p).split(), self.tokenizers.phones, "phone set"),
            (token_list, read_json, vocabulary, "vocabulary"),
        ):
            if path is None:
                continue
            wanted = read(path)
            for k, (has, wants) in enumerate(zip_longest(own, wanted)):
                if has != wants:
                    raise UserError(
                        place, f"{has!r} at position {k}", f"{wants!r}, as {path}", field_name
                    )
