"""Models on the Hugging Face hub, where the ESPnet model zoo lives too, or at a URL."""

import logging
import re
from pathlib import Path

from espnet2_ext.archive import SAFE_SUFFIXES, extract
from espnet2_ext.errors import UserError
from espnet2_ext.files import read_yaml
from espnet2_ext.scratch import scratch_folder

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


def locate(
    model: str | Path,
    offline: bool = False,
    cache_dir: str | Path | None = None,
    only: list[str] | None = None,
) -> Path:
    """The local path of a pack, downloaded once where it is not local.

    Of a hub repository only files that hold no code (safetensors, YAML, JSON, text) are taken.

    Args:
        model: A local archive or folder; ``owner/name`` or ``owner/name@revision`` on the hub; or
            the URL of an archive.
        offline: Use what was downloaded before alone.
        cache_dir: Where downloads are kept; default: the hub's, and the model zoo's.
        only: Files of a hub repository that are enough for now; default: all that are safe.

    Raises:
        UserError: nothing of that name, or no network.
    """
    name = str(model)
    if Path(model).exists():
        return Path(model)
    if re.match(r"https?://", name):
        return _from_url(name, offline, cache_dir)
    if Path(name).suffix == ".zip":
        raise UserError(model, "no such file", "a packed model")
    name, _, revision = name.partition("@")
    only = only or [f"*{suffix}" for suffix in SAFE_SUFFIXES]
    return fetch(name, revision or None, offline, cache_dir, only)


def _from_url(url: str, offline: bool, cache_dir: str | Path | None) -> Path:
    from espnet_model_zoo.downloader import ModelDownloader, str_to_hash
    from requests import RequestException

    cache = Path(cache_dir or Path.home() / ".cache" / "espnet_model_zoo")
    kept = sorted((cache / str_to_hash(url)).glob("*.zip"))
    if kept:
        return kept[0]
    if offline:
        raise UserError(url, "not downloaded before", "the network, or a local pack")
    try:
        return Path(ModelDownloader(cache).download(url))
    except (RequestException, OSError, KeyError, RuntimeError) as error:
        reason = f"{type(error).__name__}: {error}"[:200]
        raise UserError(
            url, f"cannot be downloaded ({reason})", "the network, or a local pack"
        ) from None


def upload(pack: str | Path, repo: str, private: bool = False) -> str:
    """Put a pack's files and its model card into a hub repository, made if there is none.

    Args:
        pack: Archive.
        repo: ``owner/name``.
        private: Of a new repository.

    Returns:
        Address of the commit.

    Raises:
        UserError: the archive is unsafe or no pack; no token, no right, no network.
    """
    from httpx2 import HTTPError
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalTokenNotFoundError

    from espnet2_ext.pack_about import read_manifest

    with scratch_folder() as scratch:
        folder = extract(pack, scratch / "pack")
        read_manifest(folder, pack)
        api = HfApi(library_name="espnet2-ext")
        try:
            api.create_repo(repo, private=private, exist_ok=True)
            commit = api.upload_folder(
                repo_id=repo, folder_path=folder, commit_message=f"Upload {Path(pack).name}"
            )
        except LocalTokenNotFoundError:
            raise UserError(repo, "no token", "`hf auth login`, or HF_TOKEN") from None
        except (HFValidationError, HfHubHTTPError, HTTPError, OSError) as error:
            reason = str(error).strip().partition("\n")[0] or type(error).__name__
            raise UserError(repo, f"not uploaded: {reason}", "a repository you may write") from None
    return str(commit.commit_url)
