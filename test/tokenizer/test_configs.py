"""Every shipped tokenizer configuration is read; what needs no download is built."""

import subprocess
import sys
from pathlib import Path

import pytest

from espnet2_ext.audio.mel import MelConfig
from espnet2_ext.errors import UserError
from espnet2_ext.tokenizer.codecs import create_codec
from espnet2_ext.tokenizer.ssl import KMeansConfig, build_features
from espnet2_ext.tokenizer.tokenizers import TokenizerConfig, read_phones

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = sorted(ROOT.glob("egs2/*/speechlm1/conf/**/*tokenizer*.yaml"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: str(p.relative_to(ROOT / "egs2")))
def test_shipped_configuration(path):
    config = TokenizerConfig.load(path)
    kmeans, options = KMeansConfig.split(config.ssl, path)
    assert kmeans.n_clusters > 0
    if config.codec["type"] == "mel_rvq":
        codec = create_codec(config.codec, MelConfig(), path)
        assert codec.n_codebooks == config.codec["n_codebooks"]
        features = build_features(config.ssl, MelConfig(), 63, path)
        assert features.output.out_features == 63
    else:
        from espnet2_ext.files import parse_config
        from espnet2_ext.tokenizer.espnet_codec import ESPnetCodecConfig
        from espnet2_ext.tokenizer.ssl_pretrained import ESPnetFeaturesConfig

        codec = {k: v for k, v in config.codec.items() if k != "type"}
        assert parse_config(ESPnetCodecConfig, codec, path).n_codebooks == 8
        assert parse_config(ESPnetFeaturesConfig, options, path).layer == 18


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("codec: {type: mel_rvq}\n", "conf.yaml: ssl: None"),
        ("codec: {type: mp3}\nssl: {type: phone}\n", "'mp3'"),
        (
            "codec: {type: mel_rvq}\nssl: {type: phone}\nsvs_lb: {round: up}\n",
            "unknown key 'round'",
        ),
        ("codec: {type: mel_rvq}\nssl: {type: phone}\nfps: 50\n", "unknown key 'fps'"),
        ("codec: [\n", "conf.yaml:2"),
    ],
)
def test_a_wrong_configuration_is_named(tmp_path, text, message):
    (tmp_path / "conf.yaml").write_text(text)
    with pytest.raises(UserError, match=message):
        TokenizerConfig.load(tmp_path / "conf.yaml")


@pytest.mark.parametrize(
    ("text", "message"),
    [("", "no phones"), ("a\nb c\n", "phones.txt:2"), ("a\na\n", "duplicate phone 'a'")],
)
def test_a_wrong_phone_set_is_named(tmp_path, text, message):
    (tmp_path / "phones.txt").write_text(text)
    with pytest.raises(UserError, match=message):
        read_phones(tmp_path / "phones.txt")


@pytest.mark.slow
def test_the_default_imports_neither_espnet_nor_transformers():
    code = (
        "import sys, espnet2_ext.tokenizer.fit, espnet2_ext.tokenizer.dump, "
        "espnet2_ext.tokenizer.merge; "
        "sys.exit(any(m in sys.modules for m in ('espnet2', 'espnet', 'transformers')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
