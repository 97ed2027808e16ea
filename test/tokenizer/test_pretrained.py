"""Pretrained models behind our interfaces, against the libraries' own output, on tiny ones."""

import inspect
import shutil

import numpy as np
import pytest
import torch
import yaml

from espnet2_ext.audio.mel import MelConfig
from espnet2_ext.checkpoint import load_state
from espnet2_ext.errors import UserError
from espnet2_ext.tokenizer.codecs import create_codec, load_codec
from espnet2_ext.tokenizer.espnet_codec import CODEC_CONFIG
from espnet2_ext.tokenizer.ssl import build_features, extract

MEL = MelConfig()


@pytest.fixture(scope="module")
def wav() -> torch.Tensor:
    return 0.1 * torch.randn(2, 480 * 20, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def soundstream(tmp_path_factory):
    """A tiny SoundStream, saved as ESPnet's training saves it: config.yaml and a .pth."""
    from espnet2.gan_codec.espnet_model import ESPnetGANCodecModel
    from espnet2.gan_codec.soundstream import SoundStream

    torch.manual_seed(0)
    defaults = inspect.signature(SoundStream.__init__).parameters
    generator = {
        **defaults["generator_params"].default,
        **{"hidden_dim": 8, "encdec_n_filters": 2, "encdec_ratios": [8, 5, 4, 3], "encdec_lstm": 0},
        **{"quantizer_n_q": 3, "quantizer_bins": 16, "quantizer_kmeans_init": False},
        "quantizer_target_bandwidth": [1.0],
    }
    conf = {
        "sampling_rate": 24000,
        "generator_params": generator,
        "discriminator_params": {**defaults["discriminator_params"].default, "scales": 1},
    }
    folder = tmp_path_factory.mktemp("soundstream")
    model = ESPnetGANCodecModel(SoundStream(**conf)).eval()
    torch.save(model.state_dict(), folder / "model.pth")
    config = {"codec": "soundstream", "codec_conf": conf, "model_conf": {}}
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    return folder, model


def options(folder, **more):
    files = {"config": str(folder / "config.yaml"), "checkpoint": str(folder / "model.pth")}
    return {"type": "espnet", **files, **more}


def test_codes_and_audio_are_espnets_own(soundstream, wav):
    folder, model = soundstream
    codec = create_codec(options(folder), MEL, "conf")
    assert (codec.fs, codec.fps, codec.n_codebooks, codec.codebook_size) == (24000, 50, 3, 16)
    with torch.no_grad():
        codes = codec.encode(wav)
        expected = model.encode(wav)  # (n_q, B, F)
        assert codes.shape == (2, 20, 3)
        assert torch.equal(codes, expected.permute(1, 2, 0))
        assert len(codes.unique()) > 2
        embedded = codec.embed(codes)
        assert embedded.shape == (2, 20, codec.dim)
        quantized = model.codec.generator.quantizer.decode(expected)
        assert torch.equal(embedded, quantized.transpose(1, 2))
        decoded = codec.decode(codes)
        assert decoded.shape == wav.shape
        assert torch.equal(decoded, model.decode(expected)[:, 0, : wav.size(1)])


def test_saved_codec_needs_no_other_file(soundstream, wav, tmp_path):
    folder, _ = soundstream
    codec = create_codec(options(folder, n_codebooks=2), MEL, "conf")
    codec.save(tmp_path)
    loaded = load_codec({"type": "espnet"}, MEL, tmp_path)
    assert loaded.n_codebooks == 2 and torch.equal(loaded.encode(wav), codec.encode(wav))
    assert (tmp_path / CODEC_CONFIG).exists()


def test_weight_norms_of_old_checkpoints_are_read(soundstream, wav, tmp_path):
    folder, model = soundstream
    shutil.copy(folder / "config.yaml", tmp_path)
    old = {"original0": "weight_g", "original1": "weight_v"}
    state = {}
    for key, value in model.state_dict().items():
        head, _, name = key.rpartition("parametrizations.weight.")
        state[head + old[name] if name in old else key] = value
    assert any(key.endswith("weight_g") for key in state)
    torch.save(state, tmp_path / "model.pth")
    codec = create_codec(options(tmp_path), MEL, "conf")
    assert torch.equal(codec.encode(wav), model.encode(wav).permute(1, 2, 0))


def test_a_codec_that_does_not_fit_is_refused(soundstream, tmp_path):
    folder, model = soundstream
    with pytest.raises(UserError, match="without checkpoint"):
        create_codec({"type": "espnet", "config": "a"}, MEL, "conf")
    with pytest.raises(UserError, match=r"nowhere\.yaml: No such file"):
        create_codec({"type": "espnet", "config": "nowhere.yaml", "checkpoint": "a"}, MEL, "conf")
    with pytest.raises(UserError, match="codec fs"):
        create_codec(options(folder), MelConfig(fs=16000, hop_length=160, fmax=8000), "conf")
    shutil.copy(folder / "config.yaml", tmp_path)
    state = model.state_dict()
    state.pop(next(key for key in state if key.startswith("codec.generator.")))
    torch.save(state, tmp_path / "model.pth")
    with pytest.raises(UserError, match=r"model\.pth: missing parameter encoder"):
        create_codec(options(tmp_path), MEL, "conf")
    torch.save({"model": MelConfig()}, tmp_path / "model.pth")
    with pytest.raises(UserError, match=r"model\.pth: not readable"):
        create_codec(options(tmp_path), MEL, "conf")


@pytest.fixture(scope="module")
def hubert(tmp_path_factory):
    from transformers import HubertConfig, HubertModel

    torch.manual_seed(0)
    config = HubertConfig(
        hidden_size=16, num_hidden_layers=3, num_attention_heads=2, intermediate_size=16,
        conv_dim=[8] * 7, num_conv_pos_embeddings=4, num_conv_pos_embedding_groups=2,
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("hubert")
    model = HubertModel(config).eval()
    model.save_pretrained(folder)
    return folder, model


def test_hf_layer_is_transformers_own(hubert, wav):
    folder, model = hubert
    features = build_features({"type": "hf", "model": str(folder), "layer": 2}, MEL, 0, "conf")
    with torch.no_grad():
        padded = torch.nn.functional.pad(wav[:, : 320 * 20], (40, 40))
        expected = model(padded, output_hidden_states=True).hidden_states[2]
        actual = features(wav[:, : 320 * 20])
    assert actual.shape == (2, 20, 16) and torch.allclose(actual, expected, atol=1e-5)
    # at 24 kHz it is resampled, and the frames are the recipe's
    assert extract(features, wav, 24000, 50).shape == (2, 20, 16)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"layer": 4}, r"4 \(expected 0\.\.3\)"),
        ({"model": "/nowhere/at/all"}, "cannot load"),
        ({"fs": 24000}, "75 frames a second"),
        ({"lair": 1}, "unknown key 'lair'"),
        ({"type": "s3prl"}, "'s3prl'"),
    ],
)
def test_wrong_hf_options_are_named(hubert, change, message):
    config = {"type": "hf", "model": str(hubert[0]), "layer": 1, **change}
    with pytest.raises(UserError, match=message):
        build_features(config, MEL, 0, "conf")


def test_espnet_layer_is_espnets_own(tmp_path, wav):
    from espnet2.tasks.ssl import SSLTask

    torch.manual_seed(0)
    encoder = {"output_size": 16, "attention_heads": 2, "linear_units": 16, "num_blocks": 2}
    config = vars(SSLTask.get_parser().parse_args([]))
    config |= {
        "token_list": ["a", "b"],
        "frontend_conf": {
            "norm_mode": "layer_norm", "conv_mode": "standard", "bias": False,
            "shapes": [[8, 10, 5], *[[8, 3, 2]] * 4, *[[8, 2, 2]] * 2],
        },
        "preencoder_conf": {"output_size": 16},
        "encoder_conf": {**encoder, "input_layer": None},
        "normalize": "utterance_mvn",
        "loss": [{"name": "hubert", "conf": {"num_classes": 4, "final_dim": 8}}],
        "util": [{"name": "mask", "conf": {}}],
    }  # fmt: skip
    config = {k: v for k, v in config.items() if not isinstance(v, tuple)}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    from argparse import Namespace

    model = SSLTask.build_model(Namespace(**config)).eval()
    torch.save(model.state_dict(), tmp_path / "model.pth")
    options = {"config": str(tmp_path / "config.yaml"), "checkpoint": str(tmp_path / "model.pth")}
    features = build_features({"type": "espnet", **options, "layer": 2}, MEL, 0, "conf")
    wav = wav[:, : 320 * 20]
    with torch.no_grad():
        padded = torch.nn.functional.pad(wav, (40, 40))
        expected = model.inference_encode(padded, torch.tensor([padded.size(1)] * 2))[1][1]
        actual = features(wav)
    assert actual.shape == (2, 20, 16) and torch.equal(actual, expected)
    with pytest.raises(UserError, match="ssl layer"):
        build_features({"type": "espnet", **options, "layer": 3}, MEL, 0, "conf")
    state = load_state(tmp_path / "model.pth")
    torch.save({k: v for k, v in state.items() if "encoders.1" not in k}, tmp_path / "model.pth")
    with pytest.raises(UserError, match=r"missing parameter encoder\.encoders\.1"):
        build_features({"type": "espnet", **options, "layer": 2}, MEL, 0, "conf")


def test_fit_and_tokenize_with_pretrained_models(soundstream, hubert, corpus, tmp_path):
    from espnet2_ext.tokenizer.fit import fit_tokenizers
    from espnet2_ext.tokenizer.tokenizers import Tokenizers

    config = {
        "codec": options(soundstream[0]),
        "ssl": {"type": "hf", "model": str(hubert[0]), "layer": 1, "n_clusters": 6},
    }
    (tmp_path / "conf.yaml").write_text(yaml.safe_dump(config))
    out = tmp_path / "out"
    fit_tokenizers(tmp_path / "conf.yaml", corpus / "mel.yaml", corpus / "train", out)
    tokenizers = Tokenizers.load(out)
    assert tokenizers.sizes == [6, 16, 16, 16]
    tokens = tokenizers.encode(0.1 * np.random.default_rng(0).standard_normal(24000 + 7))
    assert tokens.shape == (51, 4)
    assert (tokens.max(0).values < torch.tensor(tokenizers.sizes)).all()
