"""The MM-DiT: its size, its values against a plain reference, and padding that reaches nothing."""

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from espnet2_ext.networks.masked_conv import ConvFeedForward, MaskedConv1d
from espnet2_ext.networks.mmdit import MMDiT

SMALL = {"data_dim": 5, "condition_dim": 3, "vector_dim": 4, "text_dim": 6}
SIZE = {"channels": 16, "n_joint": 2, "n_single": 1, "n_heads": 2}
FRAMES, WORDS = [11, 6, 9], [4, 7, 1]


def build(**options) -> MMDiT:
    """A small network without the zeros that would hide a dependence."""
    torch.manual_seed(0)
    network = MMDiT(**(SMALL | SIZE | options)).double()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return network


def inputs(seed: int = 1) -> dict[str, Tensor]:
    """A padded batch, with large numbers where it is padded."""
    generator = torch.Generator().manual_seed(seed)
    draw = lambda *shape: torch.randn(*shape, generator=generator, dtype=torch.float64)  # noqa: E731
    mask = torch.arange(max(FRAMES)) < torch.tensor(FRAMES)[:, None]
    text_mask = torch.arange(max(WORDS)) < torch.tensor(WORDS)[:, None]
    batch = {
        "x_t": draw(3, max(FRAMES), 5),
        "t": torch.rand(3, generator=generator, dtype=torch.float64),
        "condition": draw(3, max(FRAMES), 3),
        "mask": mask[..., None],
        "vector": draw(3, 4),
        "text": draw(3, max(WORDS), 6),
        "text_mask": text_mask,
    }
    for name, real in (("x_t", mask), ("condition", mask), ("text", text_mask)):
        batch[name][~real] = 1e3
    return batch


def alone(batch: dict[str, Tensor], b: int) -> dict[str, Tensor]:
    """One utterance of a batch, without padding."""
    ends = {"x_t": FRAMES, "condition": FRAMES, "mask": FRAMES, "text": WORDS, "text_mask": WORDS}
    rows = {name: value[b : b + 1] for name, value in batch.items()}
    return {n: v[:, : ends[n][b]] if n in ends else v for n, v in rows.items()}


def plain(network: MMDiT, u: dict[str, Tensor]) -> Tensor:
    """One utterance, from the network's weights and the description alone, loop by loop."""
    state = network.state_dict()

    def linear(name, x):
        return x @ state[f"{name}.weight"].T + state[f"{name}.bias"]

    def conv(name, x):  # (T, in) -> (T, out), frame by frame
        weight, bias = state[f"{name}.weight"], state[f"{name}.bias"]
        reach, rows = weight.size(2) // 2, []
        for f in range(len(x)):
            row = bias.clone()
            for k in range(weight.size(2)):
                if 0 <= f + k - reach < len(x):
                    row = row + weight[:, :, k] @ x[f + k - reach]
            rows.append(row)
        return torch.stack(rows)

    def gelu(x):
        return x * 0.5 * (1 + torch.erf(x / math.sqrt(2)))

    def feed_forward(name, x):
        return conv(f"{name}.contract", gelu(conv(f"{name}.expand", x)))

    def silu(x):
        return x / (1 + torch.exp(-x))

    def two_layers(name, x):
        return linear(f"{name}.2", silu(linear(f"{name}.0", x)))

    def normalised(x):
        x = x - x.mean(-1, keepdim=True)
        return x / (x.pow(2).mean(-1, keepdim=True) + 1e-5).sqrt()

    def turned(x, scale):  # RMS-normalised, then each pair (i, i + d/2) turned as complex numbers
        eps = torch.finfo(x.dtype).eps
        x = x / (x.pow(2).mean(-1, keepdim=True) + eps).sqrt() * scale
        half = x.size(-1) // 2
        angle = torch.arange(len(x))[:, None] * 10000.0 ** (-torch.arange(half) / half)
        pair = torch.complex(x[:, :half], x[:, half:]) * torch.polar(
            torch.ones_like(angle, dtype=x.dtype), angle.to(x.dtype)
        )
        return torch.cat([pair.real, pair.imag], -1)

    def heads(name, x, modulation):
        h = linear(f"{name}.to_heads", normalised(x) * (1 + modulation[1]) + modulation[0])
        v, k, *q = h.split(16, -1)
        found = []
        for n in range(2):
            part = slice(8 * n, 8 * n + 8)
            keys = turned(k[:, part], state[f"{name}.k_norm.weight"])
            queries = [turned(one[:, part], state[f"{name}.q_norm.weight"]) for one in q]
            found.append((v[:, part], keys, queries[0] if q else None))
        return found

    def attended(query_heads, key_heads):
        results = []
        for n in range(2):
            q = query_heads[n]
            k, v = (torch.cat([h[n][i] for h in key_heads]) for i in (1, 0))
            results.append(((q @ k.T) / math.sqrt(8)).softmax(-1) @ v)
        return torch.cat(results, -1)

    def after(name, x, found, modulation):
        x = x + modulation[2] * conv(f"{name}.out", found)
        h = normalised(x) * (1 + modulation[4]) + modulation[3]
        return x + modulation[5] * feed_forward(f"{name}.feed_forward", h)

    def modulations(name, by):
        return linear(f"{name}.modulation", by).split(16, -1)

    angle = u["t"].float() * network.time.frequencies  # t is float32 inside
    time = torch.cat([angle.sin(), angle.cos()])[None].double()
    overall = two_layers("time.mlp", time) + linear("vector_in", u["vector"])
    overall = two_layers("vector_mlp", overall)
    by_frame = overall + two_layers("condition_mlp", linear("condition_in", u["condition"][0]))
    overall, by_frame = silu(overall), silu(by_frame)
    x = feed_forward("data_mlp", F.selu(conv("data_in", u["x_t"][0])))
    text = linear("text_in", u["text"][0])
    for n in range(2):
        a, w = f"joint.{n}.audio", f"joint.{n}.text"
        by_audio, by_text = modulations(a, by_frame), modulations(w, overall)
        both = heads(a, x, by_audio), heads(w, text, by_text)
        x = after(a, x, attended([h[2] for h in both[0]], both), by_audio)
        if n == 0:
            text = after(w, text, attended([h[2] for h in both[1]], both), by_text)
    by_audio = modulations("single.0.audio", by_frame)
    own = heads("single.0.audio", x, by_audio)
    x = after("single.0.audio", x, attended([h[2] for h in own], [own]), by_audio)
    shift, scale = linear("modulation", overall).split(16, -1)
    return conv("out", normalised(x) * (1 + scale) + shift)


def test_of_width_1024_it_has_the_papers_1_34_billion_parameters():
    """1,338.1 M with the projections of a 7B model's states and of phonemes (512), and with the
    queries of the last text part, which others compute and discard."""
    D = 1024
    with torch.device("meta"):
        network = MMDiT(data_dim=40, condition_dim=40, text_dim=512)
        instruction = torch.nn.Linear(3584, D)
    n = sum(p.numel() for part in (network, instruction) for p in part.parameters())
    unread = D * D + D + D // 16
    assert (n, unread) == (1337040104, 1049664)
    assert round((n + unread) / 1e6, 1) == 1338.1


def test_values_are_those_of_a_plain_reference():
    network, batch = build(), inputs()
    with torch.no_grad():
        found = network(**batch)
        for b, n in enumerate(FRAMES):
            expected = plain(network, alone(batch, b))
            torch.testing.assert_close(found[b, :n], expected, atol=1e-5, rtol=1e-5)
            assert (found[b, n:] == 0).all()


@pytest.mark.parametrize("options", [
    {}, {"n_joint": 1, "n_single": 0}, {"n_joint": 0, "text_dim": 0}, {"kernel_size": 1},
    {"modulate_frames": False}, {"condition_dim": 0, "vector_dim": 0},
], ids=str)  # fmt: skip
def test_a_batch_equals_its_utterances_alone(options):
    network, batch = build(**options), inputs()
    names = {"condition": "condition_dim", "text": "text_dim", "text_mask": "text_dim"}
    for name, size in names.items():
        if options.get(size) == 0:
            batch[name] = None
    given = {n: v for n, v in batch.items() if v is not None}
    with torch.no_grad():
        together = network(**batch)
        for b, n in enumerate(FRAMES):
            single = network(**({"condition": None} | alone(given, b)))
            torch.testing.assert_close(together[b, :n], single[0], atol=1e-9, rtol=1e-9)


@pytest.mark.parametrize("name", ["x_t", "condition", "vector", "text", "t"])
def test_everything_that_is_given_moves_every_frame(name):
    network, batch = build(), inputs()
    other = batch | {name: batch[name] + 0.5}
    with torch.no_grad():
        moved = (network(**other) - network(**batch)).abs().sum(-1)
    assert (moved[batch["mask"][..., 0]] > 1e-9).all()


def test_checkpointing_changes_no_gradient_and_gradients_reach_every_parameter():
    gradients = []
    for checkpointing in (False, True):
        network = build(checkpointing=checkpointing).train()
        network(**inputs()).square().sum().backward()
        gradients.append({n: p.grad for n, p in network.named_parameters()})
    for name, gradient in gradients[0].items():
        assert torch.isfinite(gradient).all() and gradient.abs().sum() > 0, name
        torch.testing.assert_close(gradient, gradients[1][name])


def test_in_bfloat16_it_is_near_float32():
    network = build().float()
    batch = {n: v.float() if v.is_floating_point() else v for n, v in inputs().items()}
    with torch.no_grad():
        exact = network(**batch)
        with torch.autocast("cpu", torch.bfloat16):
            half = network(**batch)
    assert half.dtype == torch.float32
    error = (half - exact).abs().max() / exact.abs().max()
    assert 0 < error < 0.05


def test_untrained_it_is_zero_and_its_blocks_change_nothing():
    network = MMDiT(**SMALL, **SIZE).double()
    batch = inputs()
    assert (network(**batch) == 0).all()
    torch.nn.init.normal_(network.out.weight)
    assert torch.equal(network(**batch), network(**batch | {"text": batch["text"] + 1}))


def test_mistakes_are_named():
    for options, message in (
        ({"text_dim": 0}, "2 joint blocks for 0 channels of text"),
        ({"n_joint": 0}, "0 joint blocks for 6 channels of text"),
        ({"channels": 18, "n_heads": 4}, "width 18 is not divisible by 2 x 4 heads"),
        ({"kernel_size": 2}, "kernel_size 2 is even"),
    ):
        with pytest.raises(ValueError, match=message):
            MMDiT(**(SMALL | SIZE | options))


def test_a_kernel_of_one_frame_is_a_linear_layer():
    torch.manual_seed(0)
    conv, x = MaskedConv1d(3, 4, 1), torch.randn(2, 5, 3)
    mask = torch.ones(2, 5, 1, dtype=torch.bool)
    expected = torch.nn.functional.conv1d(x.transpose(1, 2), conv.weight, conv.bias)
    torch.testing.assert_close(conv(x, mask), expected.transpose(1, 2))
    assert ConvFeedForward(3, 1)(x, mask).shape == x.shape
