"""The phone-duration network as an ESPnet model: its loss and what it reports."""

import torch
from espnet2.torch_utils.device_funcs import force_gatherable
from espnet2.train.abs_espnet_model import AbsESPnetModel
from torch import LongTensor, Tensor

from espnet2_ext.duration.net import ONSET_SCALE_SEC, DurationNet

_MIN_INITIAL_SEC = 0.01


class DurationModel(AbsESPnetModel):
    """L1 in both columns: the median performance, which does not depend on chance.

    A network that predicts standard deviations learns them by the likelihood of a normal
    distribution around that median.

    Args:
        net: The network.
    """

    def __init__(self, net: DurationNet) -> None:
        super().__init__()
        self.net = net

    def forward(
        self,
        notes: Tensor,
        notes_lengths: LongTensor,
        targets: Tensor,
        targets_lengths: LongTensor,
        **kwargs: object,
    ) -> tuple[Tensor, dict[str, Tensor], Tensor]:
        """Loss of a batch.

        Args:
            notes (Tensor): Columns of `streams.NOTE_COLUMNS` (B, N, 6).
            notes_lengths (LongTensor): (B,)
            targets (Tensor): Columns of `streams.TARGET_COLUMNS` (B, N, 2).
            targets_lengths (LongTensor): As `notes_lengths` (B,).
            kwargs: What ESPnet's collate function adds.
        """
        out = self.net(notes, notes_lengths)
        valid = torch.arange(notes.size(1), device=notes.device) < notes_lengths[:, None]
        has_initial = valid & (notes[..., 0] > 0)
        onset, initial = targets.unbind(-1)
        onset_error = (out[..., 0] - onset / ONSET_SCALE_SEC).abs()[valid]
        log_initial = initial.clamp(min=_MIN_INITIAL_SEC).log()
        log_error = (out[..., 1] - log_initial).abs()[has_initial]
        n_initials = has_initial.sum().clamp(min=1)
        loss = onset_error.mean() + log_error.sum() / n_initials
        initial_error = (out[..., 1].exp() - initial).abs()[has_initial]
        stats = {
            "loss": loss.detach(),  # of the median, by which the best epoch is chosen
            "onset_mae_ms": onset_error.detach().mean() * ONSET_SCALE_SEC * 1000,
            "initial_mae_ms": initial_error.detach().sum() / n_initials * 1000,
        }
        if self.net.log_std is not None:
            log_std_onset, log_std_initial = out[..., 2:].unbind(-1)
            nll = _normal_nll(onset_error, log_std_onset[valid]).mean()
            nll = nll + _normal_nll(log_error, log_std_initial[has_initial]).sum() / n_initials
            stats["nll"] = nll.detach()
            loss = loss + nll
        return force_gatherable((loss, stats, notes.size(0)), loss.device)

    def collect_feats(self, notes: Tensor, notes_lengths: LongTensor, **_: Tensor) -> dict:
        """Nothing to normalise; ESPnet asks for the sizes."""
        return {"feats": notes, "feats_lengths": notes_lengths}


def _normal_nll(error: Tensor, log_std: Tensor) -> Tensor:
    """Negative log-likelihood of errors, which are taken as they are; without its constant."""
    return log_std + 0.5 * (error.detach() * torch.exp(-log_std)).square()
