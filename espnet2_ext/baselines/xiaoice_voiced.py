"""ESPnet's XiaoiceSing, whose F0 learns from voiced frames alone.

ESPnet's `XiaoiceSing2Loss` has the regression of log F0 hit the 0 of unvoiced frames too, so that
the prediction between a vowel and a consonant is a mean of about 5 and 0.
"""

import functools
from typing import Any

from espnet2.svs.xiaoice.loss import XiaoiceSing2Loss
from espnet2.svs.xiaoice.XiaoiceSing import XiaoiceSing
from torch import Tensor

from espnet2_ext.baselines.espnet_nets import make_non_pad_mask


class VoicedF0Loss(XiaoiceSing2Loss):
    """ESPnet's loss, in which F0 has no error where the target is unvoiced."""

    def forward(
        self, *, p_outs: Tensor, ps: Tensor, vs: Tensor, olens: Tensor, **given: Any
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """ESPnet's losses of mel, durations, F0 and voicing; the F0's is a mean of voiced frames.

        Args:
            p_outs: Predicted log F0 (B, T, 1).
            ps: Log F0 (B, T, 1).
            vs: True where voiced (B, T, 1).
            olens: Frames of each utterance (B,).
            given: As ESPnet's loss takes it.
        """
        p_outs = p_outs.where(vs, ps)
        mel, duration, pitch, vuv = super().forward(
            p_outs=p_outs, ps=ps, vs=vs, olens=olens, **given
        )
        real = make_non_pad_mask(olens).unsqueeze(-1).to(vs.device)
        n_frames = real.sum() if self.use_masking else vs.numel()
        return mel, duration, pitch * n_frames / (vs & real).sum().clamp_min(1), vuv


class XiaoiceSingVoiced(XiaoiceSing):
    """`XiaoiceSing` with `VoicedF0Loss`; options and weights are ESPnet's own."""

    @functools.wraps(XiaoiceSing.__init__)
    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        if self.loss_function != "XiaoiceSing2" or self.criterion.use_weighted_masking:
            raise ValueError(
                "xiaoice_voiced is made for loss_function XiaoiceSing2 and use_masking"
            )
        self.criterion = VoicedF0Loss(use_masking=self.criterion.use_masking)
