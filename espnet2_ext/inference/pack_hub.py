"""Packs that are shared: downloaded from the hub or a URL, uploaded to the hub."""

import re
from pathlib import Path

from espnet2_ext.archive import SAFE_SUFFIXES, extract
from espnet2_ext.errors import UserError
from espnet2_ext.hub import fetch
from espnet2_ext.inference.pack_about import read_manifest
from espnet2_ext.scratch import scratch_folder


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
