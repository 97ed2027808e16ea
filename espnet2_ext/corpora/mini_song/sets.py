"""The embedded corpus of songs and speech as data directories: its manifest, prepared."""

from pathlib import Path

from espnet2_ext.corpora import song_manifest
from espnet2_ext.corpora.mini.claim import DONE
from espnet2_ext.corpora.mini_song.layout import MANIFEST
from espnet2_ext.corpora.preparer import MAX_BAD, PreparedSet
from espnet2_ext.errors import UserError

WHERE = "directory that make_mini_song wrote"


def prepare(
    corpus: str | Path, out: str | Path, max_bad: float = MAX_BAD
) -> tuple[PreparedSet, ...]:
    """Write ``out/<set>`` for every set of the corpus.

    Args:
        corpus: Directory of the corpus.
        out: Parent of the data directories.
        max_bad: Share of the utterances that may be bad; they are named in ``out/rejected.txt``.

    Raises:
        UserError: it is no whole corpus, or too many utterances are bad; no set is written then.
    """
    corpus = Path(corpus)
    if not (corpus / DONE).is_file():
        raise UserError(corpus, f"no {DONE}", "a whole corpus of make_mini_song")
    return song_manifest.prepare(corpus / MANIFEST, out, max_bad)
