"""The sequences of a training step that sings: utterances, and other melodies and prompts of them.

Algorithm 1 of CoMelSinger (Zhao et al. 2026) sees a batch twice, after prompts A and B: one part of
it for the sequence contrast, K melodies of one text, and one for the frame contrast, where view B
has a perturbed melody. No corpus has K melodies of one text. Here one utterance is transposed; its
versions are sequences beyond the batch's own, so that each recording teaches its tokens. A batch of
B utterances and K melodies becomes B + K - 1 sequences of view A and B of view B, in this order:

    A: the B utterances as they are | K - 1 transpositions of one
    B: perturbed melodies of B - K other utterances | the K melodies of the one

Prompts A and B of an utterance lie in different halves of its prompt, so that they never overlap;
which half is A's is drawn. Time, layer and mask are the utterance's, the same in all its sequences,
so that states differ by melody and prompt alone.
"""

from dataclasses import dataclass, replace

import torch
from torch import BoolTensor, LongTensor

from espnet2_ext.data.batch import Batch
from espnet2_ext.masked.config import MaskedConfig
from espnet2_ext.masked.contrastive import perturb, transpositions
from espnet2_ext.masked.draw import Draw, draw, draw_prompt_lengths
from espnet2_ext.masked.joined import Joined, draw_stretches, halves, join, own_prompt
from espnet2_ext.score.frames import MIDI_COLUMN, NOTE_COLUMN

STREAM, UTTERANCE = PROMPT_SOURCES = ("stream", "utterance")


@dataclass(frozen=True)
class ViewOptions:
    """How the sequences of a step are made.

    Args:
        sequence: Make the K melodies of one utterance.
        frame: Make the perturbed melodies.
        melody_share: K of the batch's utterances, rounded, two at least: 8 of 32 in the paper.
        moved_share: Of the notes of a perturbed melody that are moved.
        most_semitones: That notes and transpositions are moved by.
        prompt_from: ``stream``: the stream ``prompt``, where a batch has it; ``utterance``: always
            the first frames of each utterance.
        same_draw: Time, layer and mask of view B are view A's; else they are drawn again.
    """

    sequence: bool = True
    frame: bool = True
    melody_share: float = 0.25
    moved_share: float = 0.5
    most_semitones: int = 6
    prompt_from: str = STREAM
    same_draw: bool = True


@dataclass(frozen=True)
class Views:
    """Sequences of a step; the first are the batch's utterances, in order.

    Args:
        joined: Prompts and targets of all sequences (R).
        draw: On the clock of the joined sequences.
        n_utterances: B.
        unmoved: Target frames whose pitch is the recording's (R, L).
        melodies: Sequences of the K melodies in view A and in view B (2, K); None: not made.
        frames: Sequences of the frame contrast in view A and in view B (2, F); None: not made.
    """

    joined: Joined
    draw: Draw
    n_utterances: int
    unmoved: BoolTensor
    melodies: LongTensor | None
    frames: LongTensor | None


@dataclass(frozen=True)
class _Rows:
    """Sequences by the utterances that they are of, and their melodies."""

    of: LongTensor
    midi: LongTensor
    n_a: int
    melodies: LongTensor | None
    frames: LongTensor | None

    @property
    def is_b(self) -> BoolTensor:
        return torch.arange(len(self.of), device=self.of.device) >= self.n_a


def make_views(batch: Batch, n_layers: int, config: MaskedConfig, options: ViewOptions) -> Views:
    """Draw a step's sequences from torch's own generator.

    Args:
        batch: ``codec_ssl`` (B, L, nq), ``score_frames`` (B, L, 4) and perhaps ``prompt``.
        n_layers: Of the generator's codes.
        config: Of the generator: its prompts and what it masks.
        options: Which sequences.
    """
    B, device = batch.size, batch["codec_ssl"].device
    nothing = torch.rand(B, device=device) < config.nothing_dropout
    gone = nothing | (torch.rand(B, device=device) < config.prompt.dropout)
    prompt_there = replace(config.prompt, dropout=0.0)
    first_frames = options.prompt_from == UTTERANCE or "prompt" not in batch
    if first_frames:
        drawn = draw_prompt_lengths(batch.lengths("codec_ssl"), prompt_there)
        batch = own_prompt(batch, drawn.masked_fill(gone, 0))
    rows = _make_rows(batch, options)
    half = None
    if bool(rows.is_b.any()):
        half = torch.randint(2, (B,), device=device)[rows.of] ^ rows.is_b.long()
    there = batch.lengths("prompt").masked_fill(gone, 0)[rows.of]
    targets = batch.lengths("codec_ssl")
    if first_frames:
        stretch = halves(there, half)
    else:
        stretch = draw_stretches(there, targets[rows.of], prompt_there, half)
    score = batch["score_frames"][rows.of].clone()
    unmoved = score[..., MIDI_COLUMN] == rows.midi
    score[..., MIDI_COLUMN] = rows.midi
    joined = join(batch.rows(rows.of).having(score_frames=score), stretch)
    found = _draw(targets, joined.n_target, n_layers, config, rows, options.same_draw)
    found = replace(
        found,
        prompt=joined.is_prompt | joined.behind_prompts(found.prompt),
        mask=joined.behind_prompts(found.mask),
        no_prefix=found.no_prefix | nothing[rows.of],
    )
    return Views(joined, found, B, unmoved, rows.melodies, rows.frames)


def _make_rows(batch: Batch, options: ViewOptions) -> _Rows:
    score, B = batch["score_frames"], batch.size
    midi = torch.where(batch.mask("score_frames"), score[..., MIDI_COLUMN], 0)
    everyone = torch.arange(B, device=midi.device)
    K = max(2, round(options.melody_share * B))
    order = torch.randperm(B, device=midi.device)
    of, melody, melodies, frames = [everyone], [midi], None, None
    n_a, versions, one = B, None, None
    if options.sequence:
        has_notes = (midi > 0).any(1)[order]
        one = order[has_notes.long().argmax()]  # the first; the first of all where none has
        versions = transpositions(midi[one], K, options.most_semitones)
        n_a += len(versions) - 1
        of.append(one.repeat(len(versions) - 1))
        melody.append(versions[1:])
        order = order[order != one] if B > 1 else order
    n = n_a
    if options.frame:
        chosen = order[: max(1, B - K)]
        perturbed = perturb(
            midi[chosen], score[chosen][..., NOTE_COLUMN],
            share=options.moved_share, most=options.most_semitones,
        )  # fmt: skip
        of.append(chosen)
        melody.append(perturbed)
        frames = torch.stack([chosen, n + torch.arange(len(chosen), device=midi.device)])
        n += len(chosen)
    if versions is not None:
        count = torch.arange(len(versions), device=midi.device)
        of.append(one.repeat(len(versions)))
        melody.append(versions)
        in_a = torch.where(count == 0, one, B - 1 + count)
        melodies = torch.stack([in_a, n + count])
    return _Rows(torch.cat(of), torch.cat(melody), n_a, melodies, frames)


def _draw(
    lengths: LongTensor, L: int, n_layers: int, config: MaskedConfig, rows: _Rows, same: bool
) -> Draw:
    """Of all sequences, on the clock of the targets, where there is no prompt."""
    config, none = replace(config, nothing_dropout=0.0), torch.zeros_like(lengths)
    found = draw(lengths, L, n_layers, config, none).rows(rows.of)
    if same:
        return found
    again = draw(lengths, L, n_layers, config, none).rows(rows.of)
    parts = {}
    for name, value in vars(found).items():
        is_b = rows.is_b.view(-1, *(1,) * (value.dim() - 1))
        parts[name] = torch.where(is_b, getattr(again, name), value)
    return Draw(**parts)
