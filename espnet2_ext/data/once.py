"""Streams of texts: each distinct text is encoded once, whatever the number of its utterances."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from espnet2_ext.files import ArkWriter


def write_once(
    folder: Path, name: str, texts: Mapping[str, str], encode: Callable[[str, str], np.ndarray]
) -> int:
    """Write ``NAME.ark`` and ``NAME.scp``; utterances of one text share one array.

    Args:
        folder: To write to.
        name: Of the stream.
        texts: Utterance -> its text.
        encode: A text and the first utterance that has it, for errors, to an array.

    Returns:
        How many distinct texts there are.
    """
    first: dict[str, str] = {}
    with ArkWriter(folder, name) as writer:
        for utt, text in texts.items():
            if text in first:
                writer.repeat(utt, first[text])
            else:
                writer[utt] = encode(text, utt)
                first[text] = utt
    return len(first)
