"""Synthetic token directories: notes as moving spectral peaks, with tokens of a real codec."""

from pathlib import Path

import numpy as np
import pytest
import torch

from espnet2_ext.audio.mel import MelConfig
from espnet2_ext.files import ArkWriter, write_text
from espnet2_ext.flow.build import build_model
from espnet2_ext.flow.token_embedding import Geometry
from espnet2_ext.tokenizer.embedding_tables import probe_tables
from espnet2_ext.tokenizer.mel_rvq import MelRVQ, MelRVQConfig
from espnet2_ext.tokenizer.ssl import SSLTokenizer
from espnet2_ext.tokenizer.ssl_features import PhoneFeatures, PhoneFeaturesConfig
from espnet2_ext.tokenizer.tokenizers import save_tokenizers

N_SSL, N_CODEBOOKS, CODEBOOK_SIZE = 8, 2, 16
MEL = MelConfig(n_mels=12, fmax=8000)
TOKENIZER_YAML = f"""
codec: {{type: mel_rvq, n_codebooks: {N_CODEBOOKS}, codebook_size: {CODEBOOK_SIZE}}}
ssl: {{type: phone, n_clusters: {N_SSL}, hidden: 8, dilations: [1]}}
"""


def sing(n_frames: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Score, F0 and mel of a made-up utterance of `n_frames` token frames."""
    n_notes = max(2, n_frames // 12)
    midi = np.repeat(rng.choice([0, 55, 57, 60, 64, 67], n_notes), -(-n_frames // n_notes))
    midi = midi[:n_frames].astype(np.int32)
    midi[0] = 60
    fine = np.repeat(midi, MEL.frames_per_token)
    cents = 30 * np.sin(np.arange(len(fine)) / 3)
    f0 = np.where(fine > 0, 440 * 2 ** ((fine - 69 + cents / 100) / 12), 0)
    bins = np.arange(MEL.n_mels)
    centre = (np.where(fine > 0, fine, 48) - 48) / 2
    mel = -5 - 0.5 * (bins - centre[:, None]) ** 2 / 4 + 0.1 * rng.standard_normal((len(f0), 12))
    score = np.stack([midi > 0, midi, np.zeros_like(midi), np.zeros_like(midi)], 1)
    return {
        "score_frames": score.astype(np.int32).reshape(-1),
        "f0": f0.astype(np.float32),
        "mel": mel.clip(-11).astype(np.float32),
    }


def make_codec() -> MelRVQ:
    rng = np.random.default_rng(0)
    frames = np.concatenate([sing(40, rng)["mel"] for _ in range(6)])
    config = MelRVQConfig(N_CODEBOOKS, CODEBOOK_SIZE, n_iter=5)
    return MelRVQ(MEL, config).fit(torch.from_numpy(frames))


def make_tokens(folder: Path, codec: MelRVQ, lengths: list[int], seed: int) -> Path:
    """Write a token directory as the tokenize stage does; utterance k has lengths[k] frames."""
    rng = np.random.default_rng(seed)
    utts = {}
    for k, n_frames in enumerate(lengths):
        data = sing(n_frames, rng)
        codes = codec.encode_mel(torch.from_numpy(data["mel"])[None])[0].numpy()
        ssl = rng.integers(N_SSL, size=(n_frames, 1))
        data["codec_ssl"] = np.concatenate([ssl, codes], 1).astype(np.int32).reshape(-1)
        data["prompt"] = data["codec_ssl"][: 3 * (1 + N_CODEBOOKS)]
        utts[f"utt{k}"] = data
    for name in ("codec_ssl", "score_frames", "prompt", "mel", "f0"):
        with ArkWriter(folder, name) as writer:
            for utt, data in utts.items():
                writer[utt] = data[name]
    return folder


@pytest.fixture(scope="session")
def codec() -> MelRVQ:
    torch.manual_seed(0)
    return make_codec()


@pytest.fixture(scope="session")
def geometry(codec) -> Geometry:
    return Geometry(N_SSL, N_CODEBOOKS, CODEBOOK_SIZE, codec.dim, MEL.asdict(), True, n_phones=2)


@pytest.fixture(scope="session")
def tokenizer_dir(codec, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("tokenizer")
    write_text(folder / "tokenizer.yaml", TOKENIZER_YAML)
    write_text(folder / "mel.yaml", "n_mels: 12\nfmax: 8000\n")
    features = PhoneFeatures(MEL, PhoneFeaturesConfig(hidden=8, dilations=[1]), 2)
    frames = torch.from_numpy(sing(100, np.random.default_rng(3))["mel"])
    save_tokenizers(
        folder / "out",
        folder / "tokenizer.yaml",
        folder / "mel.yaml",
        codec,
        SSLTokenizer(features, torch.randn(N_SSL, 2), MEL.fs, MEL.fps),
        ["a", "SP"],
        frames,
    )
    return folder / "out"


@pytest.fixture(scope="session")
def tokens(codec, tmp_path_factory) -> Path:
    """A token directory of four utterances."""
    return make_tokens(tmp_path_factory.mktemp("tokens"), codec, [30, 24, 26, 41], 5)


@pytest.fixture
def make_model(geometry, codec):
    """Build a small model; keyword arguments are sections of the configuration."""
    from argparse import Namespace

    def make(velocity="convnext", condition=None, velocity_conf=None, **model_conf):
        args = Namespace(
            model_conf={"bfloat16": "off", "ema_decay": 0.0} | model_conf,
            condition_conf={"channels": 16, "n_layers": 1, "ssl_dim": 4} | (condition or {}),
            velocity=velocity,
            velocity_conf={"channels": 16, "n_layers": 2} | (velocity_conf or {}),
        )
        model = build_model(args, geometry)
        model.codec.fill(*probe_tables(codec.embed, N_CODEBOOKS, CODEBOOK_SIZE, "codec"))
        model.space.codec_mel_scale.copy_(1 / codec.scale)
        model.space.codec_mel_shift.copy_(codec.mean)
        model.space.mel_mean.fill_(-6.0)
        model.space.mel_std.fill_(3.0)
        return model

    return make


@pytest.fixture
def make_batch(codec):
    """A collated batch of utterances of the given lengths, as the model's forward takes it."""

    def make(lengths: list[int], seed: int = 0) -> dict[str, torch.Tensor]:
        rng = np.random.default_rng(seed)
        rows = []
        for n_frames in lengths:
            row = {k: torch.from_numpy(v) for k, v in sing(n_frames, rng).items()}
            codes = codec.encode_mel(row["mel"][None])[0]
            ssl = torch.from_numpy(rng.integers(N_SSL, size=(n_frames, 1)))
            row["codec_ssl"] = torch.cat([ssl, codes], 1)
            row["score_frames"] = row["score_frames"].long().view(-1, 4)
            row["prompt"] = row["codec_ssl"][: 3 + n_frames % 2]
            rows.append(row)
        batch = {}
        for name in rows[0]:
            values = [row[name] for row in rows]
            batch[name] = torch.nn.utils.rnn.pad_sequence(values, batch_first=True)
            batch[f"{name}_lengths"] = torch.tensor([len(v) for v in values])
        return batch

    return make
