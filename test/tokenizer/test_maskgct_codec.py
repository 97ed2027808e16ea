"""MaskGCT's codecs: small ones saved under the published names compute what is described."""

import math

import pytest
import torch
from torch.nn import functional as F

from espnet2_ext.audio.mel import MelConfig
from espnet2_ext.checkpoint import save_safetensors
from espnet2_ext.errors import UserError
from espnet2_ext.tokenizer import maskgct_codec
from espnet2_ext.tokenizer.codecs import create_codec, load_codec
from espnet2_ext.tokenizer.maskgct_codec import MaskGCTCodec, SemanticCodec, read_statistics

CHANNELS, WIDTH, INNER, N_FFT, HOP = 6, 4, 5, 36, 24
STRIDES = (3, 8)


class Names(dict):
    """A state dict that is filled by what published modules call their parameters."""

    def conv(self, name: str, out: int, inner: int, kernel: int, norm: bool = True) -> None:
        v = torch.randn(out, inner, kernel) / math.sqrt(inner * kernel)
        if norm:
            self[f"{name}.weight_v"] = v
            self[f"{name}.weight_g"] = torch.rand(out, 1, 1) + 0.5
        else:
            self[f"{name}.weight"] = v
        self[f"{name}.bias"] = torch.randn(out) * 0.1

    def linear(self, name: str, out: int, inner: int) -> None:
        self[f"{name}.weight"] = torch.randn(out, inner) / math.sqrt(inner)
        self[f"{name}.bias"] = torch.randn(out) * 0.1

    def norm(self, name: str, width: int) -> None:
        self[f"{name}.weight"], self[f"{name}.bias"] = 1 + torch.rand(width), torch.rand(width)

    def backbone(self, name: str, channels: int, blocks: int = 2) -> None:
        self.conv(f"{name}.embed", WIDTH, channels, 7, False)
        self.norm(f"{name}.norm", WIDTH)
        for i in range(blocks):
            at = f"{name}.convnext.{i}"
            self.conv(f"{at}.dwconv", WIDTH, 1, 7, False)
            self.norm(f"{at}.norm", WIDTH)
            self.linear(f"{at}.pwconv1", INNER, WIDTH)
            self.linear(f"{at}.pwconv2", WIDTH, INNER)
            self[f"{at}.gamma"] = torch.rand(WIDTH)
        self.norm(f"{name}.final_layer_norm", WIDTH)

    def quantizers(self, n: int, channels: int, size: int) -> None:
        for i in range(n):
            at = f"quantizer.quantizers.{i}"
            self.conv(f"{at}.in_project", 3, channels, 1)
            self.conv(f"{at}.out_project", channels, 3, 1)
            self[f"{at}.codebook.weight"] = torch.randn(size, 3)

    def weight(self, name: str) -> torch.Tensor:
        """Of a convolution, row by row where it is normalised."""
        if f"{name}.weight" in self:
            return self[f"{name}.weight"]
        v, g = self[f"{name}.weight_v"], self[f"{name}.weight_g"]
        return torch.stack([g[i] * v[i] / v[i].square().sum().sqrt() for i in range(len(v))])

    def apply(self, name: str, x: torch.Tensor, **options) -> torch.Tensor:
        return F.conv1d(x, self.weight(name), self[f"{name}.bias"], **options)


def semantic_names() -> Names:
    state = Names()
    for part in ("encoder", "decoder"):
        state.backbone(f"{part}.0", CHANNELS)
        state.linear(f"{part}.1", CHANNELS, WIDTH)
    state.quantizers(1, CHANNELS, 7)
    return state


def encoder_names() -> Names:
    state, width = Names(), 2
    state.conv("block.0", width, 1, 7)
    for i, stride in enumerate(STRIDES, 1):
        at = f"block.{i}.block"
        for j in range(3):
            for k, kernel in ((1, 7), (3, 1)):
                state.conv(f"{at}.{j}.block.{k}", width, width, kernel)
                state[f"{at}.{j}.block.{k - 1}.alpha"] = torch.rand(1, width, 1) + 0.5
        state[f"{at}.3.alpha"] = torch.rand(1, width, 1) + 0.5
        state.conv(f"{at}.4", 2 * width, width, 2 * stride)
        width *= 2
    n = len(STRIDES)
    state[f"block.{n + 1}.alpha"] = torch.rand(1, width, 1) + 0.5
    state.conv(f"block.{n + 2}", CHANNELS, width, 3)
    return state


def decoder_names() -> Names:
    state = Names()
    state.quantizers(3, CHANNELS, 9)
    state.backbone("model.backbone", CHANNELS)
    state.linear("model.head.out", N_FFT + 2, WIDTH)
    state["model.head.istft.window"] = torch.hann_window(N_FFT)
    return state


def saved(folder, name: str, state: Names) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    save_safetensors(state, folder / name)


def backbone(state: Names, name: str, x: torch.Tensor) -> torch.Tensor:
    """(1, channels, F) to (1, F, width)."""

    def norm(at: str, h: torch.Tensor) -> torch.Tensor:
        centred = h - h.mean(-1, keepdim=True)
        scaled = centred / (centred.square().mean(-1, keepdim=True) + 1e-6).sqrt()
        return scaled * state[f"{at}.weight"] + state[f"{at}.bias"]

    x = norm(f"{name}.norm", state.apply(f"{name}.embed", x, padding=3).transpose(1, 2))
    for i in range(2):
        at = f"{name}.convnext.{i}"
        h = state.apply(f"{at}.dwconv", x.transpose(1, 2), padding=3, groups=WIDTH).transpose(1, 2)
        h = norm(f"{at}.norm", h) @ state[f"{at}.pwconv1.weight"].T + state[f"{at}.pwconv1.bias"]
        h = 0.5 * h * (1 + torch.erf(h / math.sqrt(2)))
        h = h @ state[f"{at}.pwconv2.weight"].T + state[f"{at}.pwconv2.bias"]
        x = x + state[f"{at}.gamma"] * h
    return norm(f"{name}.final_layer_norm", x)


def nearest(state: Names, x: torch.Tensor, n: int) -> torch.Tensor:
    """Codes (F, n) of x (1, channels, F), by distances on the sphere."""
    codes = []
    for i in range(n):
        at = f"quantizer.quantizers.{i}"
        low = state.apply(f"{at}.in_project", x)[0].T
        book = state[f"{at}.codebook.weight"]
        unit = [row / row.norm() for row in book]
        chosen = [min(range(len(unit)), key=lambda c, f=f: (f / f.norm() - unit[c]).norm())
                  for f in low]  # fmt: skip
        codes.append(chosen)
        x = x - state.apply(f"{at}.out_project", book[chosen].T[None])
    return torch.tensor(codes).T


def embedded(state: Names, codes: torch.Tensor) -> torch.Tensor:
    total = 0
    for i in range(codes.size(1)):
        at = f"quantizer.quantizers.{i}"
        book = state[f"{at}.codebook.weight"]
        total = total + state.apply(f"{at}.out_project", book[codes[:, i]].T[None])
    return total


@torch.no_grad()
def test_semantic_codec(tmp_path):
    torch.manual_seed(0)
    state = semantic_names()
    saved(tmp_path, maskgct_codec.SEMANTIC, state)
    codec, features = SemanticCodec.read(tmp_path), torch.randn(1, 20, CHANNELS)
    hidden = backbone(state, "encoder.0", features.transpose(1, 2))
    hidden = hidden @ state["encoder.1.weight"].T + state["encoder.1.bias"]
    codes = nearest(state, hidden.transpose(1, 2), 1)
    assert torch.equal(codec.encode(features)[0], codes[:, 0]) and len(codes.unique()) > 2
    back = backbone(state, "decoder.0", embedded(state, codes))
    back = back @ state["decoder.1.weight"].T + state["decoder.1.bias"]
    torch.testing.assert_close(codec.decode(codes.T), back, atol=1e-5, rtol=1e-4)


def read_acoustic(folder) -> tuple[MaskGCTCodec, Names, Names]:
    torch.manual_seed(1)
    encoder, decoder = encoder_names(), decoder_names()
    saved(folder, maskgct_codec.ENCODER, encoder)
    saved(folder, maskgct_codec.DECODER, decoder)
    return MaskGCTCodec.read(folder), encoder, decoder


@torch.no_grad()
def test_acoustic_codes(tmp_path):
    codec, encoder, decoder = read_acoustic(tmp_path)
    assert (codec.fs, codec.fps, codec.n_codebooks) == (24000, 1000, 3)
    assert (codec.codebook_size, codec.dim) == (9, CHANNELS)

    def snake(at: str, x: torch.Tensor) -> torch.Tensor:
        alpha = encoder[f"{at}.alpha"]
        return x + (alpha * x).sin() ** 2 / alpha

    wav = torch.randn(1, 20 * HOP)
    x = encoder.apply("block.0", wav[:, None], padding=3)
    for i, stride in enumerate(STRIDES, 1):
        at = f"block.{i}.block"
        for j, dilation in enumerate((1, 3, 9)):
            unit = f"{at}.{j}.block"
            h = snake(f"{unit}.0", x)
            h = encoder.apply(f"{unit}.1", h, padding=3 * dilation, dilation=dilation)
            x = x + encoder.apply(f"{unit}.3", snake(f"{unit}.2", h))
        x = encoder.apply(
            f"{at}.4", snake(f"{at}.3", x), stride=stride, padding=math.ceil(stride / 2)
        )
    x = encoder.apply("block.4", snake("block.3", x), padding=1)
    codes = nearest(decoder, x, 3)
    assert torch.equal(codec.encode(wav)[0], codes) and codes.shape == (20, 3)
    for k in (1, 3):
        found = codec.embed(codes[None, :, :k]).transpose(1, 2)
        torch.testing.assert_close(found, embedded(decoder, codes[:, :k]), atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_samples(tmp_path):
    codec, _, decoder = read_acoustic(tmp_path)
    codes = torch.randint(9, (1, 12, 3))
    hidden = backbone(decoder, "model.backbone", embedded(decoder, codes[0]))
    out = hidden @ decoder["model.head.out.weight"].T + decoder["model.head.out.bias"]
    half, window = N_FFT // 2 + 1, decoder["model.head.istft.window"]
    wav, weight = torch.zeros(11 * HOP + N_FFT), torch.zeros(11 * HOP + N_FFT)
    for f, frame in enumerate(out[0]):
        magnitude, phase = frame[:half].exp().clamp(max=100), frame[half:]
        part = torch.fft.irfft(magnitude * torch.exp(1j * phase), N_FFT)
        wav[f * HOP : f * HOP + N_FFT] += part * window
        weight[f * HOP : f * HOP + N_FFT] += window**2
    over = (N_FFT - HOP) // 2
    expected = (wav / weight)[over : over + 12 * HOP]
    found = codec.decode(codes)[0]
    assert len(found) == 12 * HOP
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)


def test_saved_and_loaded_it_is_the_same(tmp_path):
    codec, *_ = read_acoustic(tmp_path)
    codec.save(tmp_path)
    codes = torch.randint(9, (2, 6, 3))
    assert torch.equal(MaskGCTCodec.load(tmp_path).decode(codes), codec.decode(codes))
    assert "CC BY-NC 4.0" in (tmp_path / "LICENSE.txt").read_text()


def test_a_recipe_names_it(tmp_path):
    saved(tmp_path, maskgct_codec.ENCODER, encoder_names())
    saved(tmp_path, maskgct_codec.DECODER, decoder_names())
    config = {"type": "maskgct", "source": str(tmp_path)}
    mel = MelConfig(fs=24000, hop_length=24, fps=1000)
    codec = create_codec(config, mel, "tokenizer.yaml")
    codec.save(tmp_path)
    wav = torch.randn(1, 8 * HOP)
    assert torch.equal(load_codec(config, mel, tmp_path).encode(wav), codec.encode(wav))
    with pytest.raises(UserError, match="1000 .expected 50 as the mel"):
        create_codec(config, MelConfig(fps=50), "tokenizer.yaml")
    with pytest.raises(UserError, match="mel_rvq, espnet or maskgct"):
        create_codec({"type": "other"}, mel, "tokenizer.yaml")


def test_statistics_are_read_without_running_code(tmp_path):
    path = tmp_path / "wav2vec2bert_stats.pt"
    torch.save({"mean": torch.arange(4.0), "var": torch.full((4,), 4.0)}, path)
    mean, std = read_statistics(path)
    assert mean.tolist() == [0, 1, 2, 3] and std.tolist() == [2] * 4
    torch.save({"mean": torch.zeros(4)}, path)
    with pytest.raises(UserError, match="mean and var"):
        read_statistics(path)
    torch.save({"mean": torch.zeros(4), "var": pytest.raises}, path)
    with pytest.raises(UserError, match="not readable"):
        read_statistics(path)


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        (maskgct_codec.ENCODER, lambda s: s.pop("block.0.weight_g"), "block.0.weight_g"),
        (maskgct_codec.ENCODER, lambda s: s.pop("block.3.alpha"), "missing parameter block.3"),
        (maskgct_codec.DECODER, lambda s: s.pop("model.head.istft.window"), "istft.window"),
        (maskgct_codec.DECODER, lambda s: s.update(more=torch.zeros(1)), "unknown parameter more"),
        (maskgct_codec.DECODER, lambda s: s.pop("model.backbone.embed.weight"), "embed.weight"),
    ],
)
def test_other_weights_are_refused(tmp_path, name, change, message):
    read_acoustic(tmp_path)
    state = encoder_names() if name == maskgct_codec.ENCODER else decoder_names()
    change(state)
    saved(tmp_path, name, state)
    with pytest.raises(UserError, match=message):
        MaskGCTCodec.read(tmp_path)


def test_the_published_sizes_are_those_that_the_files_have():
    """177 MB of semantic codec, as is published; the shapes are those of its configuration."""
    state = Names()

    class Shape:
        def __init__(self, *size):
            self.shape, self._size = size, size

        def dim(self):
            return len(self._size)

    for part in ("encoder.0", "decoder.0"):
        state[f"{part}.embed.weight"] = Shape(384, 1024, 7)
        for i in range(12):
            state[f"{part}.convnext.{i}.pwconv1.weight"] = Shape(2048, 384)
    state["quantizer.quantizers.0.in_project.weight"] = Shape(8, 1024, 1)
    state["quantizer.quantizers.0.codebook.weight"] = Shape(8192, 8)
    with torch.device("meta"):
        codec = SemanticCodec(maskgct_codec._Sizes(state, "test"))
    megabytes = 4 * sum(p.numel() for p in codec.parameters()) / 1e6
    assert round(megabytes) in (177, 178)
