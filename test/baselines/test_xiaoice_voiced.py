"""The F0 of our XiaoiceSing learns from voiced frames; all else is ESPnet's."""

import pytest
import torch
from espnet2.svs.xiaoice.loss import XiaoiceSing2Loss
from espnet2.svs.xiaoice.XiaoiceSing import XiaoiceSing
from espnet2.utils.get_default_kwargs import get_default_kwargs

from espnet2_ext.baselines.xiaoice_voiced import VoicedF0Loss, XiaoiceSingVoiced

SIZES = {
    "midi_dim": 129, "duration_dim": 50, "adim": 8, "aheads": 2, "elayers": 1, "eunits": 8,
    "dlayers": 1, "dunits": 8, "duration_predictor_chans": 8, "postnet_layers": 0,
}  # fmt: skip


def outputs(voiced):
    torch.manual_seed(0)
    mel = torch.randn(2, 5, 3)
    return {
        "after_outs": mel, "before_outs": mel, "d_outs": torch.randn(2, 2),
        "p_outs": torch.randn(2, 5, 1), "v_outs": torch.randn(2, 5, 1),
        "ys": torch.randn(2, 5, 3), "ds": torch.tensor([[2, 3], [1, 2]]),
        "ps": 5 * voiced.float(), "vs": voiced,
        "ilens": torch.tensor([2, 2]), "olens": torch.tensor([5, 3]),
    }  # fmt: skip


def test_where_all_is_voiced_the_losses_are_espnets():
    given = outputs(torch.ones(2, 5, 1, dtype=torch.bool))
    for ours, theirs in zip(VoicedF0Loss()(**given), XiaoiceSing2Loss()(**given), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_f0_has_its_error_on_voiced_frames_alone():
    voiced = torch.zeros(2, 5, 1, dtype=torch.bool)
    voiced[0, 1:3] = voiced[1, 4] = True  # the last is padding
    given = outputs(voiced)
    mel, duration, pitch, vuv = VoicedF0Loss()(**given)
    torch.testing.assert_close(pitch, (given["p_outs"][0, 1:3] - 5).square().mean())
    theirs = XiaoiceSing2Loss()(**given)
    for ours, espnets in ((mel, theirs[0]), (duration, theirs[1]), (vuv, theirs[3])):
        torch.testing.assert_close(ours, espnets)
    silent = VoicedF0Loss()(**outputs(torch.zeros_like(voiced)))
    assert silent[2] == 0 and all(value.isfinite() for value in silent)


def test_options_and_weights_are_espnets():
    assert get_default_kwargs(XiaoiceSingVoiced) == get_default_kwargs(XiaoiceSing)
    ours = XiaoiceSingVoiced(5, 3, loss_function="XiaoiceSing2", **SIZES)
    theirs = XiaoiceSing(5, 3, loss_function="XiaoiceSing2", **SIZES)
    assert ours.state_dict().keys() == theirs.state_dict().keys()
    with pytest.raises(ValueError, match="loss_function XiaoiceSing2"):
        XiaoiceSingVoiced(5, 3, loss_function="FastSpeech1", **SIZES)
