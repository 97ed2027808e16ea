"""ESPnet-SpeechLM's sequence: its vocabulary layout, task template and assembly.

A sequence is ``<sos/eos> <task> <modality_start/end> tokens ... <sos/eos>``: conditions first, the
target last. Every position has nq streams; a modality of one token per position fills stream 0
and pads the others.
"""

import reprlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import LongTensor, Tensor

from espnet2_ext.config_types import fits
from espnet2_ext.errors import UserError
from espnet2_ext.score.formats.phone_set import read_phones
from espnet2_ext.score.frames import MIDI_COLUMN
from espnet2_ext.score.music_score import REST_PHONES
from espnet2_ext.tokenizer.svs_lb import N_MIDI, PLACEHOLDER, PREFIX
from espnet2_ext.tokenizer.vocabulary import G2P_PREFIX, Vocabulary


@dataclass(frozen=True)
class Entry:
    """One entry of a task template: Kaldi file, modality and ESPnet data type."""

    name: str
    modality: str
    type: str


@dataclass(frozen=True)
class Template:
    """A task: its name, its conditions in order, and its target."""

    task: str
    conditions: tuple[Entry, ...]
    target: Entry


PROMPT = Entry("prompt.scp", "spk", "kaldi_ark")
CODEC_SSL = Entry("codec_ssl.scp", "codec_ssl", "kaldi_ark")
TASKS = {
    "svs": Template("svs", (Entry("score_frames.scp", "svs_lb", "kaldi_ark"), PROMPT), CODEC_SSL),
    # Upstream's, its text as phones: those of the score, without their times.
    "codec_ssl_tts": Template(
        "codec_ssl_tts", (Entry("score_frames.scp", "g2p", "kaldi_ark"), PROMPT), CODEC_SSL
    ),
}
PREFIX_MODE, SYNCHRONOUS = CONDITIONING = ("prefix", "synchronous")


def template_of(task: str, conditioning: str) -> Template:
    """Template of a task; in the synchronous mode its conditions are no part of the sequence."""
    template = TASKS[task]
    return template if conditioning == PREFIX_MODE else replace(template, conditions=())


@dataclass(frozen=True)
class LossWeights:
    """Loss weight of a target token by its modality (defaults: ESPnet-SpeechLM's)."""

    ssl: float = 0.5
    codec: float = 0.0625
    text: float = 1.0
    special: float = 10.0


def read_vocabulary(
    token_list: str | Path | Sequence[str], token_bias: Mapping[str, Sequence[int]] | None = None
) -> Vocabulary:
    """The vocabulary of ``token_list.json`` (``token_bias.json`` beside it), or of both as read."""
    if isinstance(token_list, str | Path):
        return Vocabulary.load(Path(token_list).parent)
    # from Python they may be tuples; a file has lists, or is refused
    tokens = list(token_list) if isinstance(token_list, tuple) else token_list
    bias = token_bias or {}
    if isinstance(bias, Mapping):
        bias = {m: list(span) if isinstance(span, tuple) else span for m, span in bias.items()}
    return Vocabulary.read(tokens, bias, "config: token_list")


def phones_in(phone_list: str | Path | Sequence[str], place: str | Path = "config") -> list[str]:
    """Phones in the order of their ids, from a file or a list that `place` has."""
    if isinstance(phone_list, str | Path):
        return list(read_phones(phone_list))
    if not fits(phone_list, list[str]):
        raise UserError(place, reprlib.repr(phone_list), "a list of text", "phone_list")
    return list(phone_list)


@dataclass(frozen=True)
class Assembled:
    """A sequence before delay: global ids (T, nq) and the position of the first target frame."""

    tokens: LongTensor
    start: int


class Assembler:
    """Turn conditions and target into one sequence of global ids.

    Args:
        vocabulary: Of the model.
        template: Of the task.
        phones: Phone symbols by id; needed where svs_lb or g2p is a condition.
        placeholder: Put ``<svs_placeholder>`` between phones, as ESPnet-SpeechLM does.
        condition_pad: Put nq - 1 positions of padding after each condition, as ESPnet-SpeechLM's
            later checkpoints have it: the delay then lets no condition reach into the next.
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        template: Template,
        phones: Sequence[str],
        placeholder: bool = False,
        condition_pad: bool = False,
    ) -> None:
        self.vocabulary, self.template, self.placeholder = vocabulary, template, placeholder
        self.offsets = torch.tensor([start for start, _ in vocabulary.stream_slices()])
        modalities = {entry.modality for entry in (*template.conditions, template.target)}
        self.head = self._column([vocabulary.sos_eos, vocabulary.task(template.task)])
        self.marker = {m: self._column([vocabulary.modality(m)]) for m in modalities}
        self.eos = self._column([vocabulary.sos_eos])
        self.pad = self._column([vocabulary.pad] * (vocabulary.nq - 1 if condition_pad else 0))
        if "svs_lb" in modalities:
            self.phone_ids = torch.tensor(vocabulary.ids(PREFIX + phone for phone in phones))
            self.midi_ids = torch.tensor(vocabulary.ids(f"{PREFIX}{m}" for m in range(N_MIDI)))
        if "g2p" in modalities:
            self.g2p_ids = torch.tensor(
                [-1 if p in REST_PHONES else vocabulary.id(G2P_PREFIX + p) for p in phones]
            )

    def _column(self, ids: Sequence[int] | Tensor) -> LongTensor:
        tokens = torch.full((len(ids), self.vocabulary.nq), self.vocabulary.pad)
        tokens[:, 0] = torch.as_tensor(ids)
        return tokens

    def svs_lb(self, score_frames: Tensor) -> LongTensor:
        """Per frame the pair (phone, midi): (F, 4) -> global ids (2F [+ phones - 1], nq)."""
        pairs = torch.stack(
            [self.phone_ids[score_frames[:, 0]], self.midi_ids[score_frames[:, MIDI_COLUMN]]], dim=1
        ).reshape(-1)
        if self.placeholder:
            cuts = torch.nonzero(score_frames[1:, 2] != score_frames[:-1, 2])[:, 0] + 1
            gap = torch.tensor([self.vocabulary.id(PLACEHOLDER)])
            runs = torch.tensor_split(pairs, (2 * cuts).tolist())
            pairs = torch.cat([x for run in runs for x in (gap, run)][1:])
        return self._column(pairs)

    def g2p(self, score_frames: Tensor) -> LongTensor:
        """Each phone once, silence and breaths left out: (F, 4) -> global ids (phones, nq)."""
        first = torch.ones(len(score_frames), dtype=torch.bool)
        first[1:] = score_frames[1:, 2] != score_frames[:-1, 2]
        ids = self.g2p_ids[score_frames[first, 0]]
        return self._column(ids[ids >= 0])

    def prefix(self, score_frames: Tensor | None, prompt: Tensor | None) -> LongTensor:
        """Everything before the first target frame: global ids (s, nq)."""
        parts = [self.head]
        for entry in self.template.conditions:
            if entry.modality == "svs_lb" and score_frames is not None:
                parts += [self.marker["svs_lb"], self.svs_lb(score_frames), self.pad]
            elif entry.modality == "g2p" and score_frames is not None:
                parts += [self.marker["g2p"], self.g2p(score_frames), self.pad]
            elif entry.modality == "spk" and prompt is not None and len(prompt):
                parts += [self.marker["spk"], prompt + self.offsets, self.pad]
        return torch.cat([*parts, self.marker[self.template.target.modality]])

    def __call__(
        self, target: Tensor, score_frames: Tensor | None, prompt: Tensor | None
    ) -> Assembled:
        """Assemble a training sequence.

        Args:
            target: Local codes (F, nq).
            score_frames: (S, 4): phone id, midi, phone index, note index.
            prompt: Local codes (P, nq) of another utterance of the singer.
        """
        prefix = self.prefix(score_frames, prompt)
        return Assembled(torch.cat([prefix, target + self.offsets, self.eos]), len(prefix))
