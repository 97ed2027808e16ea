"""Singing voice synthesis with speech language models, as an extension of ESPnet2."""

__version__ = "0.1.0"
