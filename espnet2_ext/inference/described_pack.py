"""A packed model of described sound: a flow of latents, its mel-VAE and vocoder, in one archive.

Inside: ``manifest.json`` (format, system, name, corpus, licence, languages, frames per second,
steps, commit, command), ``README.md``, ``pieces.safetensors`` (the SentencePiece model),
``phone_means.json`` (the length model), for each of flow, mel_vae and vocoder a folder with
``config.yaml``, ``model.safetensors`` and, of the flow, ``inference.yaml``; ``LICENSE.txt`` and
``results.json`` where there are any.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from espnet2_ext.archive import extract
from espnet2_ext.data.licence import says_synthetic
from espnet2_ext.duration.phone_means import PhoneMeans
from espnet2_ext.errors import UserError
from espnet2_ext.files import LICENCE_FILE, read_json, write_json, write_text
from espnet2_ext.inference.pack_about import MANIFEST, MAX_JSON_BYTES
from espnet2_ext.inference.pack_writer import write_archive, write_model
from espnet2_ext.inference.packed_steps import PackFiles, build_pipeline
from espnet2_ext.inference.pipeline import Pipeline
from espnet2_ext.scratch import scratch_folder
from espnet2_ext.tokenizer.text_states import TextPieces

SYSTEM = "described"
FORMAT = 1
PIECES, MEANS = "pieces.safetensors", "phone_means.json"
MODELS = ("flow", "mel_vae", "vocoder")
STEPS = (
    {"step": "latent_flow", "model": "flow"},
    {"step": "mel_vae", "model": "mel_vae"},
    {"step": "vocoder", "model": "vocoder"},
)
GIVEN = ("score_frames", "lyrics_ids", "instruction_ids")


@dataclass(frozen=True)
class DescribedSources:
    """Where the parts of a pack lie.

    Args:
        models: For each of `MODELS` its experiment folder and the checkpoint in it.
        sampling: Options of the flow's sampling.
        pieces: SentencePiece model of the instructions.
        means: Mean durations of spoken phones.
        frames_per_sec: Of the latents.
        licence: Of the corpus; None: it states none.
        results: Rows of ``results.json``.
    """

    models: Mapping[str, tuple[Path, str]]
    sampling: Mapping[str, Any]
    pieces: Path
    means: PhoneMeans
    frames_per_sec: float
    licence: str | None = None
    results: list[dict[str, Any]] | None = None


def write_described_pack(
    sources: DescribedSources, out: str | Path, about: Mapping[str, Any]
) -> Path:
    """Write the archive atomically.

    Args:
        sources: The parts.
        out: A ``.zip``.
        about: Goes into the manifest as it is: name, corpus, version, commit, command, languages.

    Raises:
        UserError: a part is missing or damaged.
    """
    with scratch_folder() as folder:
        for model, (experiment, checkpoint) in sources.models.items():
            options = sources.sampling if model == "flow" else None
            write_model(folder / model, experiment, checkpoint, options)
        TextPieces(sources.pieces).save(folder / PIECES)
        sources.means.save(folder / MEANS)
        if sources.licence is not None:
            write_text(folder / LICENCE_FILE, sources.licence)
        if sources.results is not None:
            write_json(folder / "results.json", sources.results)
        manifest = {
            "format": FORMAT, "system": SYSTEM, **about,
            "frames_per_sec": sources.frames_per_sec, "steps": list(STEPS),
        }  # fmt: skip
        write_json(folder / MANIFEST, manifest)
        write_text(folder / "README.md", _card(manifest, sources.licence))
        return write_archive(folder, out)


def _card(manifest: Mapping[str, Any], licence: str | None) -> str:
    lines = [
        f"# {manifest['name']}", "",
        "A model of espnet2-ext that makes songs, speech and dialogues from a description and "
        f"words (InstructAudio, arXiv 2511.18487), trained on {manifest['corpus']}.", "",
        "```sh",
        f"python -m espnet2_ext.bin.speak 'hello there' --model {manifest['name']}.zip "
        "--instruction 'A young man speaks.' -o speech.wav",
        "```", "",
        f"Made by `{manifest['command']}` at commit {manifest['commit']}.",
    ]  # fmt: skip
    if says_synthetic(licence):
        lines += ["", "The corpus is synthetic: nobody sang or spoke in it."]
    return "\n".join(lines) + "\n"


@dataclass(frozen=True)
class DescribedModel:
    """The parts of a pack, loaded.

    Args:
        manifest: What the pack says of itself.
        pipeline: Its steps from frames, lyrics and instruction to samples.
        pieces: Reads instructions.
        means: Mean durations of spoken phones.
    """

    manifest: Mapping[str, Any]
    pipeline: Pipeline
    pieces: TextPieces
    means: PhoneMeans

    @property
    def frames_per_sec(self) -> float:
        return float(self.manifest["frames_per_sec"])

    @classmethod
    def load(
        cls, pack: str | Path, device: str = "cpu", dtype: str | None = None
    ) -> "DescribedModel":
        """From an archive or a folder.

        Raises:
            UserError: no such pack, a damaged or unsafe one, or one of another system.
        """
        pack = Path(pack)
        if pack.is_dir():
            return cls._load_folder(pack, pack, device, dtype)
        with scratch_folder() as scratch:
            folder = extract(pack, scratch / "pack")
            try:
                return cls._load_folder(folder, pack, device, dtype)
            except UserError as error:
                raise error.moved(folder, pack) from error.__cause__

    @classmethod
    def _load_folder(
        cls, folder: Path, place: Path, device: str, dtype: str | None
    ) -> "DescribedModel":
        manifest = read_described_manifest(folder, place)
        files = PackFiles(folder, None, device, dtype)
        pipeline = build_pipeline(files, manifest["steps"], f"{place}: {MANIFEST}", GIVEN)
        means = PhoneMeans.load(folder / MEANS)
        return cls(manifest, pipeline, TextPieces(folder / PIECES), means)


def read_described_manifest(folder: Path, place: str | Path) -> dict[str, Any]:
    """``manifest.json`` of an unpacked pack; raises `UserError` where it is another's."""
    path = folder / MANIFEST
    if not path.is_file():
        raise UserError(place, f"no {MANIFEST}", "a packed model")
    manifest = read_json(path, MAX_JSON_BYTES)
    if not isinstance(manifest, dict) or manifest.get("system") != SYSTEM:
        expected = "a pack of a system that takes descriptions (docs/instructaudio.md)"
        raise UserError(place, "a pack of another system", expected)
    if manifest.get("format") != FORMAT or not isinstance(manifest.get("steps"), list):
        raise UserError(f"{place}: {MANIFEST}", f"{manifest.get('format')}", f"{FORMAT}", "format")
    return manifest
