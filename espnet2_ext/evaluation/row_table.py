"""systems.tsv, which scoring and report read: a line for every row and set of a result table."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from espnet2_ext.errors import UserError
from espnet2_ext.evaluation.rendered import NO_WAVS, Audio
from espnet2_ext.files import read_json, read_table, write_json, write_table, write_text

HEADER = ("system", "split", "ref_dir", "wav_scp", "timing", "f0_source")
REGISTRY = "rows.json"
"""Of a scores folder: the rows that runs have made, each with its wavs and models."""

Entries = dict[str, dict[str, Any]]


def entry_of(audio: Audio, timing: str) -> dict[str, Any]:
    """What the registry says of a row."""
    return {
        "wavs": str(audio.wavs) if audio.wavs else None,
        "f0_source": audio.f0_source,
        "timing": timing,
        "models": [str(model) for model in audio.models],
    }


def read_registry(scores_dir: Path) -> Entries:
    """Rows that were scored before, and still are: whose folder of scores is there.

    Raises:
        UserError: the registry is not as `write_registry` writes it.
    """
    path = scores_dir / REGISTRY
    entries = read_json(path) if path.is_file() else {}
    keys = entry_of(Audio(None, ""), "").keys()
    if not isinstance(entries, dict) or any(
        not isinstance(entry, dict) or entry.keys() != keys for entry in entries.values()
    ):
        raise UserError(path, "no rows of this version", "it to be removed: stage 14 writes it")
    return {name: entry for name, entry in entries.items() if (scores_dir / name).is_dir()}


def beside_others(rows: Entries, others: Entries, one_row: bool) -> Entries:
    """Rows of a run with those of earlier runs, in the table's order.

    Args:
        rows: Of this run.
        others: Of the registry.
        one_row: The run has made one row beside those that are there (``--row``).
    """
    return others | rows if one_row else rows | {k: v for k, v in others.items() if k not in rows}


def write_systems(
    table: Path, entries: Entries, own: Mapping[str, Any], raw: Path, splits: Sequence[str]
) -> list[str]:
    """Write systems.tsv, and beside it ``wav_scp/<row>.<split>.scp`` with each split's wavs.

    Args:
        table: systems.tsv.
        entries: Its rows.
        own: Names of the rows whose wavs have to be there; of others, splits that they have not
            sung are left out.
        raw: Data directories of the recordings, by split.
        splits: Evaluated.

    Returns:
        The folder that each line's wavs come from.

    Raises:
        UserError: wavs of an own row, or recordings, are missing.
    """
    lines, folders = ["\t".join(HEADER)], []
    for name, entry in entries.items():
        for split in splits:
            real = raw / split
            wav_scp, folder = real / "wav.scp", real
            if entry["wavs"] == str(NO_WAVS):
                wav_scp = NO_WAVS
            elif entry["wavs"] is not None:
                folder = Path(entry["wavs"])
                for needed in (real, folder):
                    if name in own and not (needed / "wav.scp").is_file():
                        raise UserError(
                            needed, "no wav.scp, which scoring reads",
                            "what stages 1 to 13 make, with the same options",
                        )  # fmt: skip
                sung = read_table(folder / "wav.scp") if (folder / "wav.scp").is_file() else {}
                of_split = read_table(real / "wav.scp")
                wavs = {utt: path for utt, path in sung.items() if utt in of_split}
                if not wavs and name in own:
                    raise UserError(folder / "wav.scp", f"no wav of {real}", "some")
                if not wavs:
                    continue
                wav_scp = table.parent / "wav_scp" / f"{name}.{split}.scp"
                write_table(wav_scp, wavs)
            cells = (name, split, real, wav_scp, entry["timing"], entry["f0_source"])
            lines.append("\t".join(map(str, cells)))
            folders.append(str(folder))
    write_text(table, "\n".join(lines) + "\n")
    return folders


def write_registry(scores_dir: Path, entries: Entries) -> None:
    """Remember the rows for later runs; `entries` may name rows that are scored only after this."""
    write_json(scores_dir / REGISTRY, entries)
