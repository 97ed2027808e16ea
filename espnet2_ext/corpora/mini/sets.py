"""The embedded corpus as ESPnet SVS data directories.

A Mandarin corpus is in Opencpop's layout. One of other languages has a score per utterance,
``segments/scores/ID.json``, and its phone set, ``phones.txt``, beside what Opencpop has too.
"""

from pathlib import Path

from espnet2_ext.corpora import opencpop
from espnet2_ext.corpora.mini.claim import DONE
from espnet2_ext.corpora.mini.layout import LICENSE, SCORES
from espnet2_ext.corpora.preparer import (
    MAX_BAD,
    PreparedSet,
    Rejects,
    check_audio,
    license_of,
    write_sets,
)
from espnet2_ext.errors import UserError
from espnet2_ext.files import read_table
from espnet2_ext.score.formats.espnet_format import Entry
from espnet2_ext.score.formats.json_format import read_json_score
from espnet2_ext.score.formats.phone_set import phones_of

WHERE = "directory that make_mini_singing wrote"


def prepare(
    corpus: str | Path, out: str | Path, max_bad: float = MAX_BAD
) -> tuple[PreparedSet, ...]:
    """Write ``out/<set>`` for every split of the corpus, and ``out/speech`` where it has speech.

    Args:
        corpus: Directory that holds ``segments``.
        out: Parent of the data directories.
        max_bad: Share of the utterances that may be bad; they are named in ``out/rejected.txt``.

    Raises:
        UserError: the layout is another, or too many utterances are bad; no set is written then.
    """
    corpus, out = Path(corpus).resolve(), Path(out)
    segments = corpus / "segments"
    if not (corpus / DONE).is_file():
        raise UserError(corpus, f"no {DONE}", "a whole corpus of make_mini_singing")
    if not (segments / SCORES).is_dir():
        return opencpop.prepare(corpus, out, max_bad=max_bad)
    rejects = Rejects()
    entries = _entries(segments, rejects, songs=True)
    bad = set(read_table(segments / "utt2spk")) - entries.keys()
    lists = opencpop.splits(segments, entries.keys(), bad, rejects, opencpop.DEV_SONGS)
    sets = {name: [entries[utt] for utt in utts] for name, utts in lists.items()}
    if (corpus / "speech").is_dir():
        sets["speech"] = list(_entries(corpus / "speech", rejects).values())
    license_text = license_of(corpus, LICENSE)
    prepared = write_sets(out, sets, rejects, license_text, phones_of(corpus), max_bad)
    for name, utts in lists.items():
        opencpop.write_true_f0(segments / "f0", out / name, utts)
    return prepared


def _entries(folder: Path, rejects: Rejects, songs: bool = False) -> dict[str, Entry]:
    """The good utterances of ``utt2spk`` by id."""

    def read(utt: str, singer: str, place: str) -> Entry:
        if not singer:
            raise UserError(place, "no singer", "an id and a singer")
        score = read_json_score(folder / SCORES / f"{utt}.json")
        wav = check_audio(folder / "wavs" / f"{utt}.wav", score, place)
        song = opencpop.song_of(utt) if songs else ""
        return Entry(utt, wav, singer, score, language=score.language, song=song)

    table = folder / "utt2spk"
    taken = (
        rejects.take(read, utt, singer, f"{table}: {utt}")
        for utt, singer in read_table(table).items()
    )
    return {entry.utt: entry for entry in taken if entry is not None}
