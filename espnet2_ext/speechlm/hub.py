"""Where a pretrained model lies: a local folder or file, the hub's cache, or the hub."""

import re
from pathlib import Path

from espnet2_ext.errors import UserError

_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
_SKIPPED = ["*.md", "*.png", "*.gguf", "*.onnx", "*.msgpack", "*.h5", "*.bin", "original/*"]


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
