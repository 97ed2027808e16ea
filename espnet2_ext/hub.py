"""Models on the Hugging Face hub, where the ESPnet model zoo lives too."""

import logging
import re
from pathlib import Path

from espnet2_ext.errors import UserError
from espnet2_ext.files import read_yaml

_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
_SKIPPED = ["*.md", "*.png", "*.gguf", "*.onnx", "*.msgpack", "*.h5", "*.bin", "original/*"]
# The hub's client tells of every request.
logging.getLogger("httpx2").setLevel(logging.WARNING)


def fetch(
    source: str | Path,
    revision: str | None = None,
    offline: bool = False,
    cache_dir: str | Path | None = None,
    only: str | list[str] | None = None,
) -> Path:
    """The folder (or file) that `source` names, downloaded once if it is a hub id.

    Args:
        source: A local path, which wins; else ``owner/name`` on the Hugging Face hub, where the
            ESPnet model zoo keeps its models too.
        revision: Commit, branch or tag on the hub.
        offline: Take the hub's cache alone, as HF_HUB_OFFLINE=1 does for all of a process.
        cache_dir: Of the hub; default: HF_HOME's.
        only: File names or patterns of what to take; None: all but what no model needs.

    Raises:
        UserError: neither a path, nor in the cache, nor to be had from the hub.
    """
    if Path(source).exists():
        return Path(source)
    name = str(source)
    if not _HUB_ID.fullmatch(name) or name.startswith("."):
        raise UserError(source, "no such folder", "a folder, or owner/name on the hub")
    from huggingface_hub import snapshot_download

    try:
        folder = snapshot_download(
            name,
            revision=revision,
            cache_dir=cache_dir,
            local_files_only=offline,
            allow_patterns=only,
            ignore_patterns=None if only else _SKIPPED,
        )
    except Exception as error:  # the hub client raises errors of many libraries
        reason = str(error).strip().partition("\n")[0]
        how = (
            "not in the hub's cache" if offline else f"neither in the cache nor reachable: {reason}"
        )
        raise UserError(name, how, "a local folder, or a model downloaded before") from None
    return Path(folder)


def zoo_files(folder: Path) -> tuple[Path, Path]:
    """Configuration and weights in a folder of the ESPnet model zoo's form.

    Raises:
        UserError: neither a ``meta.yaml`` that names them, nor one config.yaml and one .pth.
    """
    named = named_files(folder)
    if named is not None and all(path.is_file() for path in named):
        return named
    configs, weights = (sorted(folder.rglob(name)) for name in ("config.yaml", "*.pth"))
    if len(configs) != 1 or len(weights) != 1:
        found = f"{len(configs)} config.yaml, {len(weights)} *.pth"
        raise UserError(folder, found, "one of each, or a meta.yaml that names them")
    return configs[0], weights[0]


def named_files(folder: Path, weights: str | None = None) -> tuple[Path, Path] | None:
    """Configuration and weights that a ``meta.yaml`` names; None where there is none.

    Args:
        folder: Of the model.
        weights: Name of the weights, in place of those that it names.

    Raises:
        UserError: it names none, or such as lie outside the folder.
    """
    meta = folder / "meta.yaml"
    if not meta.is_file():
        return None
    options = read_yaml(meta)
    paths = []
    for group, key in (("yaml_files", "train_config"), ("files", "model_file")):
        files = options.get(group)
        name = files.get(key) if isinstance(files, dict) else None
        name = weights if weights is not None and group == "files" else name
        if not isinstance(name, str) or not name:
            raise UserError(meta, f"{name!r}", "a file of the folder", f"{group}: {key}")
        if Path(name).is_absolute() or ".." in Path(name).parts:
            raise UserError(meta, f"{name!r}", "a file of the folder", f"{group}: {key}")
        paths.append(folder / name)
    return paths[0], paths[1]
