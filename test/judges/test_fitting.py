"""The judges learn a toy language of tones, and come back from disk as they were."""

import numpy as np
import pytest
import torch

from espnet2_ext.errors import UserError
from espnet2_ext.judges.fitting import (
    EmbedderFitConfig,
    FitConfig,
    fit_embedder,
    fit_recognizer,
    phone_error_rate,
)
from espnet2_ext.judges.network import TrunkConfig, judge_mel
from espnet2_ext.judges.phone_recognizer import (
    CtcPhoneRecognizer,
    RecognizerConfig,
    best_path,
    phone_inventory,
)
from espnet2_ext.judges.recording import PhoneBank, Recording, Span
from espnet2_ext.judges.singer_embedder import ConvSingerEmbedder, EmbedderConfig

FS = 16000
TONES = {"a": 500.0, "o": 1000.0, "u": 2500.0}
SMALL = TrunkConfig(channels=32, n_blocks=2, kernel=5, dropout=0.0)


def recording(phones: str, singer: str = "x", tilt: float = 0.0) -> tuple[Recording, np.ndarray]:
    """Each phone .15 s of a tone and its neighbour, in noise; `tilt` colours the voice."""
    rng = np.random.default_rng(len(phones) + ord(phones[0]))
    t = np.arange(int(0.15 * FS)) / FS
    wav = np.concatenate(
        [np.sin(2 * np.pi * TONES[p] * t) + tilt * np.sin(2 * np.pi * 5000 * t) for p in phones]
    )
    wav = (0.1 * wav + 1e-3 * rng.normal(size=len(wav))).astype(np.float32)
    spans = tuple(Span(15 * k, 15 * (k + 1), p) for k, p in enumerate(phones))
    return Recording(judge_mel(wav, FS), tuple(phones), spans, singer), wav


def corpus() -> list[Recording]:
    rng = np.random.default_rng(0)
    texts = ["".join(rng.choice(list(TONES), 6)) for _ in range(24)]
    # A phone repeated without a pause sounds like a long one.
    texts = ["".join(a for a, b in zip(t, " " + t, strict=False) if a != b) for t in texts]
    return [recording(t)[0] for t in texts]


def test_best_path_merges_repeats_and_drops_blanks():
    logits = torch.eye(4)[[0, 1, 1, 0, 1, 2, 2, 3, 0]]
    assert best_path(logits) == [1, 1, 2, 3]
    assert phone_inventory([["b", "a"], ["a"]]) == ("a", "b")


@pytest.mark.slow
def test_a_recogniser_learns_and_survives_the_disk(tmp_path):
    config = FitConfig(steps=80, batch_sec=10, lr=5e-3, trunk=SMALL)
    recognizer = fit_recognizer(corpus(), config)
    unseen, wav = recording("ouaou")
    assert phone_error_rate(recognizer, [unseen]) == 0
    recognizer.save(tmp_path)
    again = CtcPhoneRecognizer.load(tmp_path)
    assert again.recognize(wav, FS) == recognizer.recognize(wav, FS) == list("ouaou")
    assert again.recognize(0.1 * wav, FS) == list("ouaou")


def test_a_recogniser_of_other_phones_is_refused(tmp_path):
    from espnet2_ext.judges.phone_recognizer import CtcNetwork

    config = RecognizerConfig(("a", "b"), SMALL)
    CtcPhoneRecognizer(config, CtcNetwork(config)).save(tmp_path)
    path = tmp_path / "phone_recognizer.yaml"
    path.write_text(path.read_text().replace("- b", "- b\n- c"))
    with pytest.raises(UserError, match="shape"):
        CtcPhoneRecognizer.load(tmp_path)


def test_fitting_twice_gives_the_same_weights():
    config = FitConfig(steps=3, trunk=SMALL)
    one, two = (fit_recognizer(corpus()[:6], config) for _ in range(2))
    for a, b in zip(one.network.parameters(), two.network.parameters(), strict=True):
        assert torch.equal(a, b)


def test_an_embedder_tells_unseen_utterances_apart(tmp_path):
    voices = {"x": 0.0, "y": 0.2, "z": 1.0}
    texts = ["aouaou", "uoauoa", "oauoau"]
    train = [recording(t, s, tilt)[0] for s, tilt in voices.items() for t in texts]
    config = EmbedderFitConfig(steps=25, batch_size=12, crop_frames=60, warps=(0.9, 1.0, 1.1))
    embedder = fit_embedder(train, config, EmbedderConfig(SMALL, dim=16))
    embedder.save(tmp_path)
    embedder = ConvSingerEmbedder.load(tmp_path)
    known = {s: embedder.embed(recording("aouaou", s, t)[1], FS) for s, t in voices.items()}
    for singer, tilt in voices.items():
        vector = embedder.embed(recording("uaouao", singer, tilt)[1], FS)
        assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)
        assert max(known, key=lambda s: vector @ known[s]) == singer


def test_recordings_too_short_for_their_phones_are_found():
    full = recording("aou")[0]
    assert full.trainable
    assert not Recording(full.mel[:4], full.phones, (), "x").trainable
    assert not Recording(full.mel, (), (), "x").trainable


def test_recombining_keeps_labels_with_their_sound():
    generator = torch.Generator().manual_seed(0)
    pool = corpus()
    source, _ = recording("aouaou")
    made = PhoneBank([*pool, source]).recombine(source, 0.5, generator)
    assert made.phones != source.phones and len(made.phones) == 6
    assert tuple(span.phone for span in made.spans) == made.phones
    sound = {p: recording(p * 3)[0].mel[20].argmax() for p in TONES}
    for span in made.spans:
        middle = made.mel[(span.start + span.end) // 2]
        assert min(TONES, key=lambda p: abs(middle.argmax() - sound[p])) == span.phone
    assert PhoneBank(pool).recombine(source, 0.0, generator) is source


def test_a_final_that_a_slur_carries_on_stays():
    mel = torch.randn(40, 64)
    spans = (Span(0, 10, "l"), Span(10, 20, "a"), Span(20, 40, "a", sounded=False))
    held = Recording(mel, ("l", "a"), spans, "x")
    other = Recording(mel, ("m", "o"), (Span(0, 10, "m"), Span(10, 40, "o")), "x")
    made = PhoneBank([held, other]).recombine(held, 1.0, torch.Generator().manual_seed(0))
    assert made.phones[1] == "a" and len(made.mel) == 40
