"""Rolled-score test: does the LM care about its score?

The likelihood of real tokens under their own score is held against that under the score shifted in
time or in pitch. A model that copies its past and ignores the score cannot tell them apart.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import LongTensor, Tensor

from espnet2_ext.data.batch import Batch
from espnet2_ext.one_thread import one_thread
from espnet2_ext.score.frames import MIDI_COLUMN
from espnet2_ext.speechlm.model import SpeechLM


@dataclass(frozen=True)
class Shift:
    """A wrong score: rolled by `frames` in time, transposed by `semitones`."""

    frames: int = 0
    semitones: int = 0


@dataclass(frozen=True)
class RolledScore:
    """Outcome for one shift.

    Args:
        shift: The shift.
        log_prob: Mean log-likelihood per frame and stream under the wrong score.
        drop: How much that is below the right score's.
        preferred: Share of utterances whose right score is likelier.
    """

    shift: Shift
    log_prob: float
    drop: float
    preferred: float


@dataclass(frozen=True)
class RolledScoreReport:
    """Outcome for all shifts; `passed` when the right score wins each by `margin` on average."""

    n_utt: int
    log_prob: float
    shifts: tuple[RolledScore, ...]
    margin: float

    @property
    def passed(self) -> bool:
        return all(s.drop > self.margin and s.preferred > 0.5 for s in self.shifts)


@dataclass(frozen=True)
class Utterance:
    """Local codes (F, nq), score frames (F, 4), the singer's prompt (P, nq) if any.

    And the score as svs_lb rounds it (S, 4), where it does so otherwise.
    """

    codec_ssl: LongTensor
    score_frames: LongTensor
    prompt: LongTensor | None = None
    svs_frames: LongTensor | None = None


def shifted(score_frames: LongTensor, shift: Shift) -> LongTensor:
    """Roll a score (F, 4) in time, its phones and notes renumbered, and transpose its notes."""
    score = torch.roll(score_frames, shift.frames, dims=0)
    cut = shift.frames % len(score)
    if cut:
        # Phones and notes are numbered anew, or the rolled end would precede its beginning.
        for column in (2, 3):
            change = torch.ones(len(score), dtype=torch.bool)
            change[1:] = score[1:, column] != score[:-1, column]
            score[:, column] = change.cumsum(0) - 1
    sung = score[:, MIDI_COLUMN] > 0
    score[sung, MIDI_COLUMN] = (score[sung, MIDI_COLUMN] + shift.semitones).clamp(1, 127)
    return score


@one_thread()
@torch.no_grad()
def rolled_score(
    model: SpeechLM,
    utterances: Sequence[Utterance],
    shifts: Sequence[Shift],
    margin: float = 0.0,
    batch_size: int = 16,
) -> RolledScoreReport:
    """Run the test.

    Args:
        model: Speech LM, in evaluation mode.
        utterances: Real tokens with their scores.
        shifts: Wrong scores to try.
        margin: Least drop of the mean log-likelihood that passes.
        batch_size: Utterances per batch.
    """
    right = _log_probs(model, utterances, Shift(), batch_size)
    outcomes = []
    for shift in shifts:
        wrong = _log_probs(model, utterances, shift, batch_size)
        drop = right - wrong
        outcomes.append(
            RolledScore(
                shift, float(wrong.mean()), float(drop.mean()), float((drop > 0).double().mean())
            )
        )
    return RolledScoreReport(len(utterances), float(right.mean()), tuple(outcomes), margin)


def _log_probs(
    model: SpeechLM, utterances: Sequence[Utterance], shift: Shift, batch_size: int
) -> Tensor:
    """Mean log-likelihood of every utterance (N,)."""
    order = sorted(range(len(utterances)), key=lambda k: len(utterances[k].codec_ssl))
    means = torch.zeros(len(utterances), dtype=torch.float64)
    for first in range(0, len(order), batch_size):
        chosen = order[first : first + batch_size]
        batch = [utterances[k] for k in chosen]
        given = {
            "codec_ssl": [u.codec_ssl for u in batch],
            "score_frames": [shifted(u.score_frames, shift) for u in batch],
        }
        if batch[0].prompt is not None:
            given["prompt"] = [u.prompt for u in batch]
        if batch[0].svs_frames is not None:
            given["svs_frames"] = [shifted(u.svs_frames, shift) for u in batch]
        rows = {name: [row.long() for row in values] for name, values in given.items()}
        streams = Batch.of(model.device, **rows)
        log_prob = model.score(streams).log_prob
        n_codes = streams.lengths("codec_ssl") * log_prob.size(2)
        means[chosen] = (log_prob.sum((1, 2)) / n_codes).double().cpu()
    return means
