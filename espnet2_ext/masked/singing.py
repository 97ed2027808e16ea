"""The loss by which a semantic-to-acoustic model learns to sing: Algorithm 1 of CoMelSinger.

    L = L_mask + .1 (.5 L_SCL + L_FCL) + .2 L_SVT

L_mask is the generator's own loss, L_SCL and L_FCL the contrasts of `contrastive` over the
sequences of `views`, and L_SVT what a frozen transcription model says of the predicted codes.

Source: Zhao et al. 2026, section III and eq. (3)-(9). Where the paper is silent: contrasts are of
the states that the logits are of, which have passed the last norm; the transcription hears the
utterances as they were sung, not their other melodies, since the codes that are not masked are the
recording's.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import BoolTensor, LongTensor, Tensor

from espnet2_ext.data.batch import Batch
from espnet2_ext.data.streams import DROPPED
from espnet2_ext.masked.contrastive import (
    MEAN,
    REDUCTIONS,
    frame_contrast,
    frame_labels,
    pairwise,
    pool,
    sequence_contrast,
)
from espnet2_ext.masked.generator import Predicted
from espnet2_ext.masked.joined import Joined
from espnet2_ext.masked.model import ACOUSTIC, MaskedModel
from espnet2_ext.masked.views import PROMPT_SOURCES, STREAM, ViewOptions, Views, make_views
from espnet2_ext.score.frames import MIDI_COLUMN, NOTE_COLUMN

LEAVE_OUT, UNMOVED, ALL = MOVED_TARGETS = ("leave_out", "unmoved", "all")
TARGET, MASKED = POOLED = ("target", "masked")
STOP_GRADIENT, EXPECTED, STRAIGHT_THROUGH = SVT_WAYS = (
    "stop_gradient", "expected", "straight_through"
)  # fmt: skip
ABLATIONS: Mapping[str, Mapping[str, float]] = {
    "no_cl": {"cl": 0.0},
    "no_scl": {"scl": 0.0},
    "no_fcl": {"fcl": 0.0},
    "no_svt": {"svt": 0.0},
    "no_cl_svt": {"cl": 0.0, "svt": 0.0},
}
"""Rows of Table V, each by the options of `SingingConfig` that it has."""


@dataclass(frozen=True)
class SingingConfig:
    """Options of `SingingLoss`; a loss of weight 0 is not computed.

    Args:
        cl: Weight of both contrasts.
        scl: Of the sequence contrast within them.
        fcl: Of the frame contrast within them.
        svt: Of the transcription's loss.
        temperature: tau of the sequence contrast.
        normalize: Compare cosines of pooled states, not products.
        pooled: Frames that are pooled: all of the ``target``, or its ``masked`` ones.
        alpha: Label of frames of one pitch and two semantic codes.
        fcl_reduction: ``mean`` over pairs of frames, or ``sum`` as printed.
        melody_share: Part of the batch that the sequence contrast stands for; 8 of 32.
        moved_share: Of the notes that are moved in a perturbed melody.
        most_semitones: That a note or melody is moved by.
        moved_targets: What the recorded codes teach where the melody is not the recording's.
            ``leave_out``: nothing, nor does view B; ``unmoved``: frames whose pitch was not moved
            teach, in both views; ``all``: everything does, as Algorithm 1 may be read.
        prompt_from: ``stream`` or ``utterance``, see `ViewOptions`.
        same_draw: Time, layer and mask of view B are view A's.
        svt_way: How the transcription reads predicted codes: ``stop_gradient`` (their likeliest
            codes, as printed: it teaches nothing), ``expected`` (their distribution) or
            ``straight_through``.
    """

    cl: float = 0.1
    scl: float = 0.5
    fcl: float = 1.0
    svt: float = 0.2
    temperature: float = 0.1
    normalize: bool = True
    pooled: str = TARGET
    alpha: float = 0.5
    fcl_reduction: str = MEAN
    melody_share: float = 0.25
    moved_share: float = 0.5
    most_semitones: int = 6
    moved_targets: str = LEAVE_OUT
    prompt_from: str = STREAM
    same_draw: bool = True
    svt_way: str = EXPECTED

    def __post_init__(self) -> None:
        for name, choices in (
            ("pooled", POOLED), ("fcl_reduction", REDUCTIONS), ("moved_targets", MOVED_TARGETS),
            ("prompt_from", PROMPT_SOURCES), ("svt_way", SVT_WAYS),
        ):  # fmt: skip
            if getattr(self, name) not in choices:
                raise ValueError(f"{name} {getattr(self, name)!r} is none of {', '.join(choices)}")
        for name in ("cl", "scl", "fcl", "svt"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} {getattr(self, name)} is negative")
        for name in ("alpha", "melody_share", "moved_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} {getattr(self, name)} is not 0 to 1")
        if self.temperature <= 0:
            raise ValueError(f"temperature {self.temperature} is not above 0")
        if not 1 <= self.most_semitones <= 60:
            raise ValueError(f"most_semitones {self.most_semitones} is not 1 to 60")

    @property
    def views(self) -> ViewOptions:
        """Which sequences the losses need."""
        return ViewOptions(
            bool(self.cl and self.scl), bool(self.cl and self.fcl), self.melody_share,
            self.moved_share, self.most_semitones, self.prompt_from, self.same_draw,
        )  # fmt: skip


@dataclass(frozen=True)
class PredictedCodes:
    """Codes of targets, of which some of one layer are predicted: what a transcription hears.

    Args:
        codes: Known codes (B, L, N); `DROPPED` in the layers above the predicted one.
        logits: Of the predicted layer (B, L, K); -inf on codes that the layer does not have.
        layer: Which is predicted (B,).
        mask: Where it is (B, L); elsewhere the known codes hold.
        lengths: Frames of each target (B,).
    """

    codes: LongTensor
    logits: Tensor
    layer: LongTensor
    mask: BoolTensor
    lengths: LongTensor


@dataclass(frozen=True)
class Transcription:
    """A frozen transcription model.

    Args:
        pitch: Predicted codes and one of `SVT_WAYS` to logits of pitches (B, L, 128).
        loss: Of those logits, given the MIDI numbers (B, L), the index of each frame's note (B, L)
            and the mask of real frames (B, L): a scalar.
    """

    pitch: Callable[[PredictedCodes, str], Tensor]
    loss: Callable[[Tensor, LongTensor, LongTensor, BoolTensor], Tensor]


@dataclass(frozen=True)
class Sung:
    """What a training step computed.

    Args:
        loss: The total.
        statistics: Scalars by name, without gradient; the same names at each step.
        predicted: Of the token loss.
    """

    loss: Tensor
    statistics: dict[str, Tensor]
    predicted: Predicted = field(repr=False)


class SingingLoss:
    """Token loss, contrasts and transcription of a batch.

    Args:
        config: Options.
        transcription: Hears the predicted codes; None: there is no such loss.
    """

    def __init__(self, config: SingingConfig, transcription: Transcription | None = None) -> None:
        self.config = config
        self.transcription = transcription if config.svt else None

    def __call__(self, model: MaskedModel, batch: Batch) -> Sung:
        """Draw and compute a step.

        Args:
            model: Of semantic to acoustic tokens.
            batch: ``codec_ssl`` (B, L, nq), ``score_frames`` (B, L, 4), and ``prompt`` (B, P, nq),
                of which views A and B each use a part of one half.

        Raises:
            ValueError: the model predicts semantic tokens.
            UserError: the batch has no score.
        """
        if model.target != ACOUSTIC:
            raise ValueError(f"a model of {model.target} tokens has no melody to sing")
        generator = model.generator
        views = make_views(batch, len(generator.codes), generator.config, self.config.views)
        joined = views.joined
        tokens, lengths = model.codes(joined.batch), joined.batch.lengths("codec_ssl")
        hidden = generator.hidden(tokens, lengths, model.steering(joined.batch), views.draw)
        predicted = self._tokens(model, views, tokens, lengths, hidden)
        total = predicted.loss
        statistics: dict[str, Any] = {"token_loss": predicted.loss, "acc": predicted.accuracy}
        states = joined.of_target(hidden)
        if views.melodies is not None:
            scl, right = self._sequences(views, states)
            total = total + self.config.cl * self.config.scl * scl
            statistics |= {"scl": scl, "scl_acc": right}
        if views.frames is not None:
            fcl = self._frames(views, states)
            total = total + self.config.cl * self.config.fcl * fcl
            statistics["fcl"] = fcl
        if self.transcription is not None:
            svt = self._transcription(self.transcription, views, tokens, predicted)
            total = total + self.config.svt * svt
            statistics["svt"] = svt
        statistics["loss"] = total
        return Sung(total, {k: v.detach() for k, v in statistics.items()}, predicted)

    def _tokens(
        self, model: MaskedModel, views: Views, tokens: Tensor, lengths: Tensor, hidden: Tensor
    ) -> Predicted:
        generator, how = model.generator, self.config.moved_targets
        if how == LEAVE_OUT:
            rows = torch.arange(views.n_utterances, device=tokens.device)
            own = views.draw.rows(rows)
            return generator.predicted(hidden[rows], tokens[rows], lengths[rows], own)
        weight = views.joined.behind_prompts(views.unmoved) if how == UNMOVED else None
        return generator.predicted(hidden, tokens, lengths, views.draw, weight)

    def _sequences(self, views: Views, states: Tensor) -> tuple[Tensor, Tensor]:
        mask = views.joined.is_target
        if self.config.pooled == MASKED:
            mask = mask & views.joined.of_target(views.draw.mask)
        ga, gb = (pool(states[rows], mask[rows]) for rows in views.melodies)
        normalize = self.config.normalize
        loss = sequence_contrast(ga, gb, self.config.temperature, normalize)
        with torch.no_grad():
            nearest = pairwise(ga, gb, normalize).argmax(1)
            right = (nearest == torch.arange(len(ga), device=ga.device)).float().mean()
        return loss, right

    def _frames(self, views: Views, states: Tensor) -> Tensor:
        joined, (a, b) = views.joined, views.frames
        pitch = _column(joined, MIDI_COLUMN)
        semantic = joined.of_target(joined.batch["codec_ssl"][..., 0])
        labels = frame_labels(
            pitch[a], pitch[b], semantic[a], joined.is_target[a], self.config.alpha
        )
        return frame_contrast(states[a], states[b], labels, self.config.fcl_reduction)

    def _transcription(
        self, svt: Transcription, views: Views, tokens: LongTensor, predicted: Predicted
    ) -> Tensor:
        n = views.n_utterances
        own = views.joined.rows(torch.arange(n, device=tokens.device))
        layer = views.draw.layer[:n]
        layers = torch.arange(tokens.size(-1), device=tokens.device)
        heard = PredictedCodes(
            own.of_target(tokens[:n]).masked_fill(layers > layer[:, None, None], DROPPED),
            own.of_target(predicted.logits[:n]),
            layer,
            own.of_target(views.draw.mask[:n]) & own.is_target,
            own.target_lengths,
        )
        pitch, note = _column(own, MIDI_COLUMN), _column(own, NOTE_COLUMN)
        return svt.loss(svt.pitch(heard, self.config.svt_way), pitch, note, own.is_target)


def _column(joined: Joined, column: int) -> LongTensor:
    """A column of the targets' score frames (B, L)."""
    return joined.of_target(joined.batch["score_frames"][..., column].long())
