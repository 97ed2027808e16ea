"""The utterances of a formatted data directory, as tokenizing and the baselines take them."""

from dataclasses import dataclass
from pathlib import Path

from espnet2_ext.errors import UserError
from espnet2_ext.files import read_json, read_table
from espnet2_ext.score.formats.espnet_format import parse_label, parse_score_json
from espnet2_ext.score.music_score import MusicScore


@dataclass(frozen=True)
class Utterances:
    """Audio and score of each utterance of a formatted data directory, which has no segments.

    Args:
        path: The directory.
        wavs: utt -> file.
        labels: utt -> label line; empty for speech.
        scores: utt -> score JSON file; empty for speech.
    """

    path: Path
    wavs: dict[str, str]
    labels: dict[str, str]
    scores: dict[str, str]

    @classmethod
    def read(cls, path: str | Path) -> "Utterances":
        """Read the tables; label and score.scp must both exist or both not, for every utterance."""
        path = Path(path)
        wavs = dict(sorted(read_table(path / "wav.scp").items()))
        if not wavs:
            raise UserError(path / "wav.scp", "no utterances", "at least one")
        has_score = (path / "score.scp").exists() or (path / "label").exists()
        tables: dict[str, dict[str, str]] = {"label": {}, "score.scp": {}}
        for name in tables if has_score else ():
            tables[name] = read_table(path / name)
            missing = next((utt for utt in wavs if utt not in tables[name]), None)
            if missing is not None:
                raise UserError(path / name, f"no line for {missing!r}", "each id of wav.scp")
        return cls(path, wavs, tables["label"], tables["score.scp"])

    def score(self, utt: str) -> MusicScore | None:
        """The score of an utterance with its performed phones; None for speech."""
        if not self.scores:
            return None
        label = parse_label(self.labels[utt], f"{self.path / 'label'}: {utt}")
        return parse_score_json(read_json(self.scores[utt]), self.scores[utt], label)
