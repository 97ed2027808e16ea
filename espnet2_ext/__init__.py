"""Singing voice synthesis with speech language models, as an extension of ESPnet2."""

from typing import Any

__version__ = "0.1.0"
__all__ = ["SingingSynthesizer", "__version__"]


def __getattr__(name: str) -> Any:
    # Loaded when asked for: every command line imports this package, few of them sing.
    if name == "SingingSynthesizer":
        from espnet2_ext.inference.synthesizer import SingingSynthesizer

        return SingingSynthesizer
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
