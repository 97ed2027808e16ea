"""What the duration task reads: arks of notes and targets made from a data directory's labels."""

from dataclasses import dataclass
from pathlib import Path

from espnet2_ext.data.streams import NOTE_COLUMNS
from espnet2_ext.duration.features import note_features, note_targets
from espnet2_ext.errors import UserError
from espnet2_ext.files import ArkWriter, write_table
from espnet2_ext.score.formats.espnet_format import read_scores
from espnet2_ext.score.phones import PHONES


def phone_ids(phones: list[str] | tuple[str, ...] = PHONES) -> dict[str, int]:
    """Ids of the duration model, from 1."""
    return {phone: number for number, phone in enumerate(phones, 1)}


@dataclass(frozen=True)
class PreparedNotes:
    """Where a set's arks are, and its size."""

    folder: Path
    n_utterances: int

    def options(self, split: str) -> list[str]:
        """ESPnet's options that name the arks as `split`, train or valid."""
        arks = [f"--{split}_data_path_and_name_and_type"] * 2
        values = [f"{self.folder / name}.scp,{name},kaldi_ark" for name in ("notes", "targets")]
        shapes = [f"--{split}_shape_file", str(self.folder / "notes_shape")]
        return [arks[0], values[0], arks[1], values[1], *shapes]


def prepare_notes(
    data_dir: str | Path, folder: str | Path, phones: tuple[str, ...] = PHONES
) -> PreparedNotes:
    """Write ``notes``, ``targets`` and ``notes_shape`` of a data directory into `folder`.

    Args:
        data_dir: With label and score.scp.
        folder: Where to.
        phones: Phone set of the model.

    Raises:
        UserError: a score or label of the directory is wrong, or it has none.
    """
    folder = Path(folder)
    ids = phone_ids(phones)
    shapes = {}
    with ArkWriter(folder, "notes") as notes, ArkWriter(folder, "targets") as targets:
        for utt, score in read_scores(data_dir).items():
            place = f"{data_dir}: {utt}"
            notes[utt] = note_features(score, ids, place)
            targets[utt] = note_targets(score, place)
            shapes[utt] = f"{len(score.notes)},{len(NOTE_COLUMNS)}"
        if not shapes:
            raise UserError(data_dir, "no scores", "at least one utterance")
    write_table(folder / "notes_shape", shapes)
    return PreparedNotes(folder, len(shapes))
