"""Judges of the Hugging Face hub: their files, and transformers' own classes with plain weights."""

from pathlib import Path
from typing import Any

from espnet2_ext.errors import UserError
from espnet2_ext.hub import fetch as fetch_from_hub
from espnet2_ext.no_code import plain_values_only

FS = 16000
"""What models of speech hear (Hz)."""
_SETTINGS = ["*.json", "*.txt"]
_SAFE = ["model.safetensors", "model-0*.safetensors"]
_PICKLED = ["pytorch_model*.bin"]
_NAMES_SHOWN = 3


def model_folder(source: str, fetch: bool = False) -> Path:
    """The folder of a model: settings, and safetensors where it has them.

    Args:
        source: A folder; or ``owner/name`` on the hub, ``owner/name@revision`` for a commit, branch
            or tag.
        fetch: May download; else the hub's cache alone is looked into.

    Raises:
        UserError: it is not there.
    """
    if Path(source).exists():
        return Path(source)
    name, _, revision = source.partition("@")
    options: dict[str, Any] = {"revision": revision or None, "offline": not fetch}
    folder = fetch_from_hub(name, only=[*_SETTINGS, *_SAFE], **options)
    if not any(folder.glob("*.safetensors")):
        folder = fetch_from_hub(name, only=[*_SETTINGS, *_PICKLED], **options)
    return folder


def load_model(kind: Any, folder: Path) -> Any:
    """A model of transformers' class `kind`, in evaluation mode and single precision.

    Every parameter comes from the file; a pickle is read for its tensors alone, and no code of the
    model's repository is run.

    Raises:
        UserError: it does not load, or parameters are missing or of another shape.
    """
    import torch

    try:
        with plain_values_only():
            model, info = kind.from_pretrained(
                folder, local_files_only=True, trust_remote_code=False, weights_only=True,
                use_safetensors=any(folder.glob("*.safetensors")), dtype=torch.float32,
                output_loading_info=True,
            )  # fmt: skip
    except Exception as error:  # the library raises errors of many kinds
        raise UserError(folder, *_why(error, f"a {kind.__name__}")) from None
    wrong = sorted(map(str, [*info["missing_keys"], *info["mismatched_keys"]]))
    if wrong:
        found = f"missing parameter {', '.join(wrong[:_NAMES_SHOWN])}"
        raise UserError(folder, found, f"a {kind.__name__}")
    return model.eval()


def load_processor(kind: Any, folder: Path) -> Any:
    """A tokenizer, feature extractor or both of transformers' class `kind`.

    Raises:
        UserError: its files are not there, or not in its form.
    """
    try:
        with plain_values_only():
            return kind.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # the library raises errors of many kinds
        raise UserError(folder, *_why(error, f"files of a {kind.__name__}")) from None


def load_pair(source: str, fetch: bool, processor: str, model: str) -> tuple[Any, Any]:
    """A processor and a model by the names of transformers' classes; `source` as in `model_folder`.

    Raises:
        UserError: either is not there or does not load.
    """
    import transformers

    folder = model_folder(source, fetch)
    loaded = load_processor(getattr(transformers, processor), folder)
    return loaded, load_model(getattr(transformers, model), folder)


def not_installed(error: ImportError) -> str:
    """The cell of a judge whose package is not there, in one line."""
    what = error.name or error
    return f"not measured: {what} is not installed (docs/metrics.md, Judges of the extra)"


def not_measured(error: UserError, fetch: bool) -> str:
    """The cell of a judge that is not there, in one line."""
    how = "" if fetch else " (--fetch_mos true downloads it)"
    return f"not measured: {error.place}: {error.found}{how}"


def _why(error: Exception, expected: str) -> tuple[str, str]:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return f"does not load ({lines[0][:160]})", expected
