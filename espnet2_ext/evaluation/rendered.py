"""What rows of a table are rendered to: tokens that a flow or a codec reads, and audio."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Tokens:
    """What a flow or a codec reads.

    Args:
        frames: Folder with the score's frames and the prompts.
        made_from: Folders that the tokens were made from.
        codec_ssl: Table of the tokens.
        soft: Table of the embeddings that the token model expected, where its decoding makes them.
        own: They lie in a folder of the row, and so does what is made from them.
    """

    frames: Path
    made_from: tuple[Path, ...]
    codec_ssl: Path
    soft: Path | None = None
    own: bool = False


NO_WAVS = Path("-")
"""In place of a row's folder of wavs, and in systems.tsv."""


@dataclass(frozen=True)
class Audio:
    """Where a row's wavs are, where their F0 came from, and which models made them.

    `wavs` is None for the recordings, and `NO_WAVS` where there is no audio.
    """

    wavs: Path | None
    f0_source: str
    models: tuple[Path, ...] = ()
