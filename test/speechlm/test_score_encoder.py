import torch

from espnet2_ext.conditions.score_features import NO_MIDI, score_features
from espnet2_ext.speechlm.score_encoder import ConvScoreEncoder


def test_features_of_a_known_score():
    frames = torch.tensor(
        [[0, 0, 0, 0], [3, 60, 1, 1], [4, 60, 2, 1], [4, 60, 2, 1], [4, 62, 3, 2], [9, 9, 9, 9]]
    )
    features = score_features(frames[None], torch.tensor([5]))
    assert features.mask[0].tolist() == [True] * 5 + [False]
    assert features.phones[0, :5].tolist() == [
        [1, 0, 4], [4, 1, 5], [5, 4, 5], [5, 4, 5], [5, 5, 0],
    ]  # fmt: skip
    assert features.midi[0, :5].tolist() == [
        [0, NO_MIDI, 60], [60, 0, 62], [60, 0, 62], [60, 0, 62], [62, 60, NO_MIDI],
    ]  # fmt: skip
    # share of the phone passed, and of the note
    torch.testing.assert_close(features.position[0, 2, [0, 5]], torch.tensor([0.25, 0.5]))


def test_the_encoder_looks_ahead_and_ignores_padding():
    torch.manual_seed(0)
    encoder = ConvScoreEncoder(5, 16, channels=12, layers=2).double().eval()
    frames = torch.tensor([[[1, 60, k // 3, k // 6] for k in range(30)]])
    whole = encoder(frames, torch.tensor([30]))
    padded = torch.cat([frames, torch.full((1, 7, 4), 3)], dim=1)
    torch.testing.assert_close(encoder(padded, torch.tensor([30]))[:, :30], whole)
    later = frames.clone()
    later[0, 8, 1] = 71
    assert (encoder(later, torch.tensor([30])) - whole)[0, 4].abs().max() > 0
