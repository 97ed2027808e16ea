import torch

from espnet2_ext.conditions.condition import Sizes
from espnet2_ext.conditions.score import ScoreCondition
from espnet2_ext.conditions.score_features import NO_MIDI, score_features
from espnet2_ext.data.batch import Batch


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
    encoder = ScoreCondition(Sizes(16, n_phones=5), channels=12, layers=2).double().eval()

    def encode(score_frames):
        lengths = torch.tensor([30])
        batch = Batch({"score_frames": score_frames, "score_frames_lengths": lengths})
        return encoder(batch).value

    frames = torch.tensor([[[1, 60, k // 3, k // 6] for k in range(30)]])
    whole = encode(frames)
    padded = torch.cat([frames, torch.full((1, 7, 4), 3)], dim=1)
    torch.testing.assert_close(encode(padded)[:, :30], whole)
    later = frames.clone()
    later[0, 8, 1] = 71
    assert (encode(later) - whole)[0, 4].abs().max() > 0
