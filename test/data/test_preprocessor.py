"""What a batch is made of: streams with their shape, of one utterance, cropped at one place."""

import numpy as np
import pytest

from espnet2_ext.data.preprocessor import Crop, StreamPreprocessor
from espnet2_ext.data.streams import LATENT, MEL, NOTE, SAMPLE, TOKEN, StreamSizes
from espnet2_ext.errors import UserError
from espnet2_ext.score.length import EXACT, TRIM

FLOW = {"leader": "codec_ssl", "clocks": {TOKEN: 1, MEL: 2}}
SIZES = StreamSizes([8, 16, 16], n_mels=1, embed_dim=1)


def flow(crop_frames: int = 0, policy: str = EXACT, **options: object) -> StreamPreprocessor:
    crop = Crop(crop_frames)
    return StreamPreprocessor(SIZES, **FLOW, crop=crop, length_policy=policy, **options)


def vocoder(train: bool) -> StreamPreprocessor:
    crop = Crop(8, equal=True, padding={"mel": -9.0})
    clocks = {MEL: 1, SAMPLE: 10}
    return StreamPreprocessor(StreamSizes(n_mels=3), "mel", clocks, crop, train=train)


def utterance(n_frames: int, n_sampled: int) -> dict[str, np.ndarray]:
    """What a flow reads, as it lies in archives; each number tells its frame."""
    frames = np.arange(n_frames)
    return {
        "codec_ssl": np.repeat(frames % 8, 3).astype(np.int32),
        "sampled": np.repeat(np.arange(n_sampled) % 8, 3).astype(np.int32),
        "soft": np.arange(n_sampled, dtype=np.float32)[:, None],
        "score_frames": np.repeat(frames, 4).astype(np.int32),
        "mel": np.repeat(frames, 2).astype(np.float32)[:, None],
        "f0": np.repeat(frames, 2).astype(np.float32),
        "prompt": np.zeros(9, np.int32),
    }


def sound(n_frames: int, n_samples: int | None = None) -> dict[str, np.ndarray]:
    """What a vocoder reads."""
    frames = np.arange(n_frames, dtype=np.float32)
    return {
        "mel": np.repeat(frames[:, None], 3, 1),
        "f0": frames,
        "wav": np.repeat(frames, 10)[:n_samples],
    }


@pytest.mark.parametrize("n_sampled", [3, 21, 23, 14, 20])
@pytest.mark.parametrize("train", [False, True])
def test_training_takes_the_frames_that_samples_and_recording_share(n_sampled, train):
    out = flow(10, TRIM, train=train)("utt", utterance(20, n_sampled))
    n = min(n_sampled, 10 if train else 20)
    shapes = {"codec_ssl": (n, 3), "sampled": (n, 3), "soft": (n, 1), "score_frames": (n, 4),
              "mel": (2 * n, 1), "f0": (2 * n,), "prompt": (3, 3)}  # fmt: skip
    assert {name: out[name].shape for name in shapes} == shapes
    first = int(out["score_frames"][0, 0])
    assert first + n <= min(n_sampled, 20)
    for name in ("soft", "mel", "f0"):
        assert out[name].flatten()[0] == first and out[name].flatten()[-1] == first + n - 1
    assert (out["sampled"] == out["codec_ssl"]).all()


def test_training_refuses_samples_of_other_lengths_by_default():
    check = flow()
    check("utt", utterance(20, 20))
    with pytest.raises(UserError, match="sampled: 14 frames .expected 20 as codec_ssl, or"):
        check("utt", utterance(20, 14))
    data = utterance(20, 14) | {"soft": np.zeros((20, 1), np.float32)}
    with pytest.raises(UserError, match="soft: 20 frames .expected 14 as sampled"):
        flow(policy=TRIM)("utt", data)


@pytest.mark.parametrize("stream", ["mel", "soft"])
def test_training_refuses_matrices_of_another_width(stream):
    data = utterance(20, 20)
    data[stream] = np.repeat(data[stream], 2, axis=1)
    with pytest.raises(UserError, match=rf"utt: {stream}: shape .*, 2. .expected .frames, 1."):
        flow()("utt", data)


@pytest.mark.parametrize("stream", ["score_frames", "mel", "f0", "soft"])
def test_streams_of_another_length_are_refused(stream):
    data = utterance(20, 20)
    data[stream] = data[stream][:-4]
    with pytest.raises(UserError, match=rf"utt: {stream}: \d+ frames .expected \d+ as "):
        flow()("utt", data)


@pytest.mark.parametrize("train", [True, False])
def test_long_prompts_are_cut_and_short_ones_kept(train):
    data = utterance(20, 20) | {"prompt": np.repeat(np.arange(8), 3)}
    np.random.seed(0)
    starts = {int(flow(max_prompt_frames=5, train=train)("utt", data)["prompt"][0, 0])
              for _ in range(40)}  # fmt: skip
    assert starts == ({0, 1, 2, 3} if train else {0})
    assert len(flow(max_prompt_frames=9, train=train)("utt", data)["prompt"]) == 8
    assert len(flow(train=train)("utt", data)["prompt"]) == 8  # a model cuts its own


def test_draws_come_in_the_order_that_trainings_were_made_with():
    """The crop, then the prompt: with another order, the same seed trained another model."""
    data = utterance(20, 20) | {"prompt": np.repeat(np.arange(8), 3)}
    np.random.seed(5)
    out = flow(10, max_prompt_frames=5)("utt", dict(reversed(data.items())))
    np.random.seed(5)
    crop, prompt = np.random.randint(11), np.random.randint(4)
    assert (out["score_frames"][0, 0], out["prompt"][0, 0]) == (crop, prompt)


def test_a_prefix_tells_a_score_on_a_clock_of_its_own():
    check = StreamPreprocessor(StreamSizes([8, 16, 16]), "codec_ssl", {})
    shaped = check("u", {"codec_ssl": np.zeros(9, int), "svs_frames": np.arange(8)})
    assert shaped["svs_frames"].shape == (2, 4)
    data = {"codec_ssl": np.zeros(9, int), "score_frames": np.zeros(8, int)}
    assert check("u", data)["score_frames"].shape == (2, 4)
    check.clocks = {TOKEN: 1}
    with pytest.raises(UserError, match="u: score_frames: 2 frames .expected 3 as codec_ssl"):
        check("u", data)


def test_statistics_shape_a_drawn_prompt_by_itself_and_then_again():
    """ESPnet's iterable data set reads types of others, as prompt_pool, before the rest."""
    data = utterance(20, 20)
    alone = flow(train=False)("utt", {"prompt": data["prompt"]})
    assert alone["prompt"].shape == (3, 3)
    both = flow(train=False)("utt", {**data, **alone})
    np.testing.assert_array_equal(both["prompt"], alone["prompt"])


def test_notes_have_their_targets():
    check = StreamPreprocessor(StreamSizes(), "notes", {NOTE: 1})
    data = {"notes": np.zeros((3, 6)), "targets": np.zeros((3, 2))}
    assert {name: array.shape for name, array in check("u", data).items()} == {
        "notes": (3, 6), "targets": (3, 2)}  # fmt: skip
    with pytest.raises(UserError, match="u: targets: 2 notes .expected 3 as notes"):
        check("u", {**data, "targets": np.zeros((2, 2))})


@pytest.mark.parametrize("train", [True, False])
def test_crops_stay_aligned(train: bool) -> None:
    for _ in range(20):
        cut = vocoder(train)("utt", sound(30))
        assert cut["mel"].shape == (8, 3) and cut["wav"].shape == (80,)
        np.testing.assert_array_equal(cut["mel"][:, 0], cut["f0"])
        np.testing.assert_array_equal(cut["wav"][::10], cut["f0"])
        assert train or cut["f0"][0] == 11


def test_short_utterances_are_padded_with_silence() -> None:
    cut = vocoder(True)("utt", sound(5, 45))
    assert (cut["mel"][5:] == -9).all() and (cut["f0"][5:] == 0).all()
    assert cut["wav"].shape == (80,) and (cut["wav"][45:] == 0).all()


def test_streams_of_another_utterance_are_refused() -> None:
    crop = vocoder(True)
    with pytest.raises(UserError, match="utt7: wav: 100 samples"):
        crop("utt7", {**sound(30), "wav": np.zeros(100, np.float32)})
    with pytest.raises(UserError, match="29 frames"):
        crop("utt7", {**sound(30), "f0": np.zeros(29, np.float32)})


@pytest.mark.parametrize("train", [True, False])
def test_latents_lead_mels_of_which_the_last_frame_was_filled_up(train: bool) -> None:
    sizes = StreamSizes(n_mels=3, latent_dim=2)
    crop = Crop(4, equal=True, padding={"mel": -9.0})
    check = StreamPreprocessor(sizes, "latents", {LATENT: 1, MEL: 2}, crop, train=train)

    def utterance(n_latents: int, n_mels: int) -> dict[str, np.ndarray]:
        latents = np.arange(n_latents, dtype=np.float32)[:, None].repeat(2, 1)
        mel = np.arange(n_mels, dtype=np.float32)[:, None].repeat(3, 1)
        return {"latents": latents, "mel": mel}

    for n_latents in (7, 3):
        part = check("u", utterance(n_latents, 2 * n_latents - 1))
        assert part["latents"].shape == (4, 2) and part["mel"].shape == (8, 3)
        assert part["mel"][0, 0] == 2 * part["latents"][0, 0]
    assert part["mel"][5:].min() == part["mel"][5:].max() == -9
    for n_mels in (12, 16):
        with pytest.raises(UserError, match=f"mel: {n_mels} frames .expected 14 as latents"):
            check("u", utterance(7, n_mels))
