"""The transcription network as an ESPnet model: its loss and what it reports."""

from collections.abc import Sequence

import torch
from espnet2.torch_utils.device_funcs import force_gatherable
from espnet2.train.abs_espnet_model import AbsESPnetModel
from torch import LongTensor, Tensor

from espnet2_ext.data.batch import Batch
from espnet2_ext.data.streams import DROPPED
from espnet2_ext.score.frames import MIDI_COLUMN, NOTE_COLUMN, PHONE_COLUMN
from espnet2_ext.transcription.losses import onsets_of, transcription_loss
from espnet2_ext.transcription.net import TranscriptionNet


class TranscriptionModel(AbsESPnetModel):
    """Learns the score's pitch tokens, LE(.) of eq. (2) by our own rounding, from codec codes.

    Args:
        net: The network.
        vowels: Of each phone whether it carries the pitch, for where vowels begin.
    """

    def __init__(self, net: TranscriptionNet, vowels: Sequence[bool] = ()) -> None:
        super().__init__()
        self.net = net
        self.register_buffer("vowels", torch.tensor(vowels, dtype=torch.bool), persistent=False)

    def forward(self, **streams: Tensor) -> tuple[Tensor, dict[str, Tensor], Tensor]:
        """Loss of a batch.

        Args:
            streams: As ESPnet gives them: ``score_frames`` (B, L, 4), and ``codes``, the codec's
                (B, L, N), or ``codec_ssl``, whose first column, the SSL token, is not read.

        Returns:
            Loss, statistics, batch size.
        """
        batch = Batch(streams)
        codes = batch["codes"] if "codes" in batch else batch["codec_ssl"][..., 1:]
        score, mask = batch["score_frames"].long(), batch.mask("score_frames")
        pitch, notes = score[..., MIDI_COLUMN], score[..., NOTE_COLUMN]
        if self.training and self.net.config.truncate:
            codes = truncated(codes, self.net.config.truncate)
        logits, onset = self.net.with_onsets(codes, batch.lengths("score_frames"))
        truth = None
        if onset is not None:
            truth = onsets_of(pitch, notes, self.vowels[score[..., PHONE_COLUMN]])
        loss = transcription_loss(logits, pitch, notes, mask, self.net.config.loss, onset, truth)
        right = (logits.argmax(-1) == pitch)[mask].float().mean()
        stats = {
            "loss": loss.total, "ce": loss.cross_entropy, "seg": loss.segment,
            "dur": loss.duration, "onset": loss.onset, "acc": right,
        }  # fmt: skip
        stats = {k: v.detach() for k, v in stats.items() if v is not None}
        return force_gatherable((loss.total, stats, len(codes)), loss.total.device)

    def collect_feats(
        self, score_frames: Tensor, score_frames_lengths: Tensor, **_: Tensor
    ) -> dict:
        """Nothing to normalise; ESPnet asks for the sizes."""
        return {"feats": score_frames, "feats_lengths": score_frames_lengths}


def truncated(codes: LongTensor, share: float) -> LongTensor:
    """Codes (B, L, N) of which a share of the utterances keeps its coarser codebooks alone."""
    B, _, N = codes.shape
    kept = torch.randint(1, N + 1, (B, 1), device=codes.device)
    kept = torch.where(torch.rand(B, 1, device=codes.device) < share, kept, N)
    lost = torch.arange(N, device=codes.device) >= kept
    return codes.masked_fill(lost[:, None], DROPPED)
