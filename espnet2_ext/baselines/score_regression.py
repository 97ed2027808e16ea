"""Score regression: from phones, notes and singer straight to log-mel and F0, frame by frame.

The plain rival of everything that samples: the mean of what the corpus sings at such a frame. It is
an SVS model under ESPnet's interface, trained and sung as ESPnet's own are.
"""

from typing import Any

import torch
from espnet2.svs.abs_svs import AbsSVS
from espnet2.torch_utils.device_funcs import force_gatherable
from torch import BoolTensor, LongTensor, Tensor, nn
from torch.nn import functional as F

from espnet2_ext.audio.pitch import OCTAVE, hz_to_midi, midi_to_hz
from espnet2_ext.baselines.espnet_nets import LengthRegulator
from espnet2_ext.baselines.phone_ends import PhoneEnds, closes_note
from espnet2_ext.conditions.condition import Sizes
from espnet2_ext.conditions.pitch_features import nominal_curve, smooth
from espnet2_ext.conditions.score import ScoreCondition
from espnet2_ext.data.batch import Batch
from espnet2_ext.flow.loss import masked_loss
from espnet2_ext.networks.convnext import ConvNeXt

_PITCH_AND_VOICING = 2


class ScoreRegression(AbsSVS):
    """A ConvNeXt over the frames of the score.

    Args:
        idim: Phones of ESPnet's token list.
        odim: Mel bins.
        spks: Singers, counted from 1, and one more.
        langs: Not used; ESPnet's recipes may name it.
        channels: Width.
        n_layers: ConvNeXt blocks.
        kernel_size: Of each block, in steps.
        expansion: Width of a block's bottleneck over `channels`.
        score_layers: Convolutions of the score's encoder before the blocks.
        frames_per_step: Mel frames that one step of the network predicts.
        smooth_frames: Mel frames on each side over which the written pitch is smoothed; F0 is
            relative to that, in semitones, as the flow's.
        dropout: Of the score's encoder.
        duration_channels: Width of the phone-duration head.
        lambda_mel: Weight of the mel's L1.
        lambda_f0: Weight of the L1 of F0 in semitones, on voiced frames alone.
        lambda_vuv: Weight of voicing's cross entropy.
        lambda_dur: Weight of the L1 of the phones' ends.
    """

    def __init__(
        self,
        idim: int,
        odim: int,
        spks: int | None = None,
        langs: int | None = None,
        channels: int = 256,
        n_layers: int = 6,
        kernel_size: int = 9,
        expansion: int = 3,
        score_layers: int = 0,
        frames_per_step: int = 2,
        smooth_frames: int = 4,
        dropout: float = 0.1,
        duration_channels: int = 128,
        lambda_mel: float = 1.0,
        lambda_f0: float = 0.2,
        lambda_vuv: float = 0.2,
        lambda_dur: float = 0.1,
    ) -> None:
        super().__init__()
        self.odim, self.frames_per_step, self.smooth_frames = odim, frames_per_step, smooth_frames
        self.weights = {
            "mel_loss": lambda_mel, "f0_loss": lambda_f0, "vuv_loss": lambda_vuv,
            "duration_loss": lambda_dur,
        }  # fmt: skip
        self.spks = spks if spks and spks > 1 else None
        self.langs = self.spk_embed_dim = None  # asked for by SingingGenerate
        self.singer = nn.Embedding(self.spks or 1, channels)
        self.score = ScoreCondition(
            Sizes(channels, n_phones=idim), channels, score_layers, kernel_size, dropout
        )
        out_dim = frames_per_step * (odim + _PITCH_AND_VOICING)
        self.network = ConvNeXt(channels, out_dim, channels, n_layers, kernel_size, expansion)
        self.duration_predictor = PhoneEnds(idim, duration_channels, self.spks or 1)
        self.length_regulator = LengthRegulator()

    def forward(
        self,
        text: LongTensor,
        text_lengths: LongTensor,
        feats: Tensor,
        feats_lengths: LongTensor,
        label: dict[str, LongTensor],
        label_lengths: dict[str, LongTensor],
        melody: dict[str, LongTensor],
        duration: dict[str, LongTensor],
        pitch: Tensor,
        sids: LongTensor | None = None,
        flag_IsValid: bool = False,
        **_: Any,
    ) -> tuple[Tensor, dict[str, Tensor], Tensor]:
        """The loss; arguments are those of ESPnet's `XiaoiceSing`.

        Args:
            text: Not used: `label` has the phones.
            text_lengths: Not used.
            feats: Normalized log-mel (B, T, odim).
            feats_lengths: Mel frames (B,).
            label: Phones (B, P), under ``score``.
            label_lengths: Phones of each utterance (B,), under ``score``.
            melody: MIDI number of each phone's note, 0 in rests (B, P), under ``score``.
            duration: Frames of each phone as sung (``lab``), as a rule divides its note
                (``score_phn``), and of its note (``score_syb``), each (B, P).
            pitch: Natural log of F0 in Hz, 0 where unvoiced (B, T, 1).
            sids: Singers (B, 1).
            flag_IsValid: ESPnet plots what a third and further outputs hold; nothing here.

        Returns:
            Loss, statistics by name, number of utterances.
        """
        del text, text_lengths, flag_IsValid
        T = int(feats_lengths.max())
        singer = self._singer(sids, len(feats))
        phones = self._phones(label, melody, duration)
        frames = self.length_regulator(phones, duration["lab"])[:, :T]
        mask = torch.arange(T, device=feats.device) < feats_lengths[:, None]
        mel, semitones, voicing = self._predict(frames, feats_lengths, mask, singer)
        pitch = pitch[:, :T, 0]
        voiced = (pitch > 0) & mask
        written = self._written(frames, mask)
        relative = (hz_to_midi(pitch.exp()) - written).clamp(-OCTAVE, OCTAVE)
        losses = {
            "mel_loss": masked_loss(mel, feats[:, :T], mask[..., None], "l1"),
            "f0_loss": masked_loss(semitones, relative, voiced, "l1"),
            "vuv_loss": F.binary_cross_entropy_with_logits(voicing[mask], voiced[mask].float()),
            "duration_loss": self.duration_predictor.loss(
                phones, duration["score_syb"], duration["lab"], label_lengths["score"], sids
            ),
        }
        loss = sum(self.weights[name] * value for name, value in losses.items())
        stats = {name: value.item() for name, value in losses.items()} | {"loss": loss.item()}
        return force_gatherable((loss, stats, len(feats)), loss.device)

    def inference(
        self,
        text: LongTensor,
        label: dict[str, LongTensor],
        melody: dict[str, LongTensor],
        duration: dict[str, LongTensor],
        sids: LongTensor | None = None,
        **_: Any,
    ) -> dict[str, Tensor | None]:
        """Sing one score with the phone durations that `duration_predictor` answers.

        Args:
            text: Not used.
            label: As `forward` has it, of one utterance.
            melody: The same.
            duration: The same; ``lab`` is not looked at.
            sids: The singer (1,).

        Returns:
            ``feat_gen``, normalized log-mel (T, odim), and ``f0`` in Hz, 0 where unvoiced (T,).
        """
        del text
        phones = self._phones(label, melody, duration)
        frames_of_phones = self.duration_predictor.inference(phones, duration["score_syb"], sids)
        frames = self.length_regulator(phones, frames_of_phones.long())
        T = frames.size(1)
        mask = torch.ones(1, T, dtype=torch.bool, device=frames.device)
        lengths = torch.tensor([T], device=frames.device)
        mel, semitones, voicing = self._predict(frames, lengths, mask, self._singer(sids, 1))
        f0 = midi_to_hz(semitones + self._written(frames, mask)) * (voicing > 0)
        return {"feat_gen": mel[0], "f0": f0[0], "prob": None, "att_w": None}

    def _singer(self, sids: LongTensor | None, B: int) -> Tensor:
        if self.spks is None or sids is None:
            sids = torch.zeros(B, dtype=torch.long, device=self.singer.weight.device)
        return self.singer(sids.view(-1))

    def _phones(
        self,
        label: dict[str, LongTensor],
        melody: dict[str, LongTensor],
        duration: dict[str, LongTensor],
    ) -> LongTensor:
        """Phone, MIDI number, index of phone and note of each phone (B, P, 4)."""
        closing = closes_note(duration["score_phn"], duration["score_syb"])
        note = closing.long().cumsum(1) - closing.long()
        index = torch.arange(note.size(1), device=note.device).expand_as(note)
        return torch.stack([label["score"], melody["score"], index, note], -1)

    def _predict(
        self, frames: LongTensor, lengths: LongTensor, mask: BoolTensor, singer: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Mel (B, T, odim), semitones above the written pitch and logit of voicing, each (B, T)."""
        k = self.frames_per_step
        steps = {"score_frames": frames[:, ::k], "score_frames_lengths": (lengths + k - 1) // k}
        encoded, step_mask = self.score.encode(Batch(steps), singer)
        out = self.network(encoded, step_mask)
        out = out.reshape(len(out), -1, self.odim + _PITCH_AND_VOICING)[:, : mask.size(1)]
        mel, semitones, voicing = out.split([self.odim, 1, 1], -1)
        return mel, semitones[..., 0], voicing[..., 0]

    def _written(self, frames: LongTensor, mask: BoolTensor) -> Tensor:
        """The smoothed written pitch (B, T), in semitones."""
        return smooth(nominal_curve(frames[..., 1], mask), mask, self.smooth_frames)
