"""MaskGCT's semantic tokens as SSL tokens of a recipe, on tiny models of the published names."""

import pytest
import torch
from transformers import SeamlessM4TFeatureExtractor, Wav2Vec2BertConfig, Wav2Vec2BertModel

from espnet2_ext.audio.mel import MelConfig
from espnet2_ext.errors import UserError
from espnet2_ext.tokenizer.maskgct_codec import SEMANTIC, SemanticCodec
from espnet2_ext.tokenizer.ssl import SSLTokenizer, build_features, load_ssl

from .test_maskgct_codec import CHANNELS, saved, semantic_names

MEL, LAYER = MelConfig(fs=16000, hop_length=160, fmax=8000, fps=50), 2


@pytest.fixture(scope="module")
def config(tmp_path_factory) -> dict:
    """The section of a tokenizer's configuration that names the parts."""
    folder = tmp_path_factory.mktemp("maskgct")
    torch.manual_seed(0)
    saved(folder, SEMANTIC, semantic_names())
    bert = Wav2Vec2BertModel(
        Wav2Vec2BertConfig(
            hidden_size=CHANNELS, num_hidden_layers=3, num_attention_heads=2, intermediate_size=8,
            conv_depthwise_kernel_size=3,
        )
    )  # fmt: skip
    bert.save_pretrained(folder / "w2v-bert")
    statistics = {"mean": torch.randn(CHANNELS), "var": torch.rand(CHANNELS) + 0.5}
    torch.save(statistics, folder / "stats.pt")
    return {
        "type": "maskgct", "source": str(folder), "model": str(folder / "w2v-bert"),
        "statistics": str(folder / "stats.pt"), "layer": LAYER, "n_clusters": 7,
    }  # fmt: skip


@torch.no_grad()
def test_tokens_are_the_semantic_codecs_codes_of_the_normalised_layer(config, tmp_path):
    features = build_features(config, MEL, 5, "tokenizer.yaml")
    tokenizer = SSLTokenizer(features, features.centroids, MEL.fs, MEL.fps)
    wav = torch.randn(2, 320 * 30, generator=torch.Generator().manual_seed(1))
    tokens = tokenizer.encode(wav)
    assert tokens.shape == (2, 30) and len(tokens.unique()) > 2
    statistics = torch.load(config["statistics"])
    bert = Wav2Vec2BertModel.from_pretrained(config["model"]).eval()
    codec = SemanticCodec.read(config["source"])
    for row, own in zip(wav, tokens, strict=True):
        centred = torch.cat([torch.zeros(120), row, torch.zeros(120)]).numpy()
        inputs = SeamlessM4TFeatureExtractor()(centred, sampling_rate=16000, return_tensors="pt")
        hidden = bert(**inputs, output_hidden_states=True).hidden_states[LAYER]
        codes = codec.encode((hidden - statistics["mean"]) / statistics["var"].sqrt())
        assert torch.equal(codes[0], own)
    tokenizer.save(tmp_path / "ssl.safetensors")
    loaded = load_ssl(config, MEL, 5, tmp_path, offline=True)
    assert loaded.n_clusters == 7 and torch.equal(loaded.encode(wav), tokens)


def test_parts_that_do_not_fit_are_named(config, tmp_path):
    def build(mel=MEL, **options):
        return build_features({**config, **options}, mel, 5, "tokenizer.yaml")

    with pytest.raises(UserError, match="tokenizer.yaml: ssl: 100 frames .* .expected 50"):
        build(MelConfig(fs=16000, hop_length=160, fmax=8000, fps=100))
    with pytest.raises(UserError, match=r"ssl layer: 9 .expected 0\.\.3"):
        build(layer=9)
    torch.save({"mean": torch.zeros(4), "var": torch.ones(4)}, tmp_path / "other.pt")
    with pytest.raises(UserError, match="other.pt: ssl: 4 channels .expected 6"):
        build(statistics=str(tmp_path / "other.pt"))
    with pytest.raises(UserError, match="statistics"):
        build_features({"type": "maskgct"}, MEL, 5, "tokenizer.yaml")
