"""A tiny vocabulary, model and batch for the speech LM's tests."""

from argparse import Namespace
from types import SimpleNamespace

import pytest
import torch

from espnet2_ext.speechlm.build import build_speechlm
from espnet2_ext.tokenizer.vocabulary import Vocabulary

PHONES = ["SP", "AP", "n", "i", "h", "ao"]
SSL, CODEBOOKS, CODES = 12, 3, 8


def make_vocabulary() -> Vocabulary:
    return Vocabulary.build(SSL, CODEBOOKS, CODES, PHONES)


def make_args(conditioning: str = "synchronous", **changes) -> Namespace:
    vocabulary = make_vocabulary()
    synchronous = conditioning == "synchronous"
    args = {
        "token_list": list(vocabulary.tokens),
        "token_bias": {m: list(span) for m, span in vocabulary.bias.items()},
        "phone_list": PHONES,
        "model_conf": {"conditioning": conditioning, "max_prompt_frames": 6},
        "corelm": "ar_delay",
        "corelm_conf": {
            "backbone": {
                "model_type": "llama",
                "hidden_size": 32,
                "intermediate_size": 48,
                "num_hidden_layers": 2,
                "num_attention_heads": 2,
            }
        },
        "score_encoder": "conv" if synchronous else None,
        "score_encoder_conf": {"channels": 16, "layers": 2, "kernel_size": 5}
        if synchronous
        else {},
        "prompt_encoder": "pooled" if synchronous else None,
        "prompt_encoder_conf": {"channels": 8} if synchronous else {},
    }
    return Namespace(**{**args, **changes})


def make_model(conditioning: str = "synchronous", seed: int = 0, **changes):
    torch.manual_seed(seed)
    return build_speechlm(make_args(conditioning, **changes))


def make_score(F: int) -> torch.Tensor:
    """Phones of 1 to 5 frames, a note for every two phones, a rest at the start."""
    rows, phone, note = [], 0, 0
    while len(rows) < F:
        symbol = 0 if phone == 0 else 2 + phone % 4
        midi = 0 if phone == 0 else 60 + note % 5
        rows += [[symbol, midi, phone, note]] * int(torch.randint(1, 6, ()))
        phone += 1
        note += phone % 2
    return torch.tensor(rows[:F])


def make_utterance(F: int, P: int, seed: int = 0) -> SimpleNamespace:
    torch.manual_seed(seed)
    sizes = torch.tensor([SSL] + [CODES] * CODEBOOKS)

    def draw(n: int) -> torch.Tensor:
        return (torch.rand(n, len(sizes)) * sizes).long()

    return SimpleNamespace(codec_ssl=draw(F), score_frames=make_score(F), prompt=draw(P))


def make_batch(*utterances: SimpleNamespace) -> dict[str, torch.Tensor]:
    batch = {}
    for name in ("codec_ssl", "score_frames", "prompt"):
        values = [getattr(u, name) for u in utterances]
        batch[name] = torch.nn.utils.rnn.pad_sequence(values, batch_first=True)
        batch[f"{name}_lengths"] = torch.tensor([len(v) for v in values])
    return batch


@pytest.fixture
def batch() -> dict[str, torch.Tensor]:
    return make_batch(make_utterance(20, 9, seed=1), make_utterance(13, 5, seed=2))
