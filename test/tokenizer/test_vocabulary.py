"""The vocabulary layout, its files and the mapping between local codes and token ids."""

import json

import pytest
import torch

from espnet2_ext.errors import UserError
from espnet2_ext.tokenizer.vocabulary import Vocabulary, special_tokens

PHONES = ["SP", "AP", "n", "i"]


@pytest.fixture
def vocabulary() -> Vocabulary:
    return Vocabulary.build(ssl_size=6, n_codebooks=2, codebook_size=4, phones=PHONES)


def test_special_tokens_stand_where_espnet_puts_them():
    tokens = special_tokens()
    assert len(tokens) == len(set(tokens)) == 256
    assert (tokens[0], tokens[5], tokens[7]) == ("<pad>", "<sos/eos>", "<unkown_task_identifer>")
    assert tokens[32] == "<codec_start/end>" and tokens[64] == "<textlm_task>"
    assert tokens[31] == "<unused_token_31>" and tokens[255] == "<unused_token_255>"


def test_layout(vocabulary):
    assert vocabulary.stream_slices() == [(256, 262), (262, 266), (266, 270)]
    assert vocabulary.nq == 3
    assert vocabulary.tokens[256] == "<ssl_code1>"
    assert vocabulary.tokens[266] == "<codec_layer1_code0>"
    assert vocabulary.bias["svs_lb"] == (270, 270 + 1 + len(PHONES) + 128)
    assert 32 <= vocabulary.modality("svs_lb") < 64 <= vocabulary.task("svs") < 128


def test_local_and_global_codes_are_inverse(vocabulary):
    generator = torch.Generator().manual_seed(0)
    codes = torch.stack(
        [torch.randint(0, n, (2, 7), generator=generator) for n in (6, 4, 4)], dim=-1
    )
    ids = vocabulary.to_global(codes)
    assert torch.equal(vocabulary.to_local(ids), codes)
    assert vocabulary.tokens[ids[0, 0, 2]] == f"<codec_layer1_code{codes[0, 0, 2]}>"


@pytest.mark.parametrize("codes", [[6, 0, 0], [0, 4, 0], [-1, 0, 0], [0, 0]])
def test_codes_outside_their_stream_are_refused(vocabulary, codes):
    with pytest.raises(ValueError):
        vocabulary.to_global(torch.tensor([codes]))


def test_saves_and_loads(vocabulary, tmp_path):
    vocabulary.save(tmp_path)
    loaded = Vocabulary.load(tmp_path)
    assert loaded.tokens == vocabulary.tokens and loaded.bias == vocabulary.bias


def test_reads_ranges_of_later_releases(vocabulary, tmp_path):
    vocabulary.save(tmp_path)
    ranges = {m: list(r) for m, r in vocabulary.bias.items()}
    (tmp_path / "token_bias.json").write_text(json.dumps(ranges))
    assert Vocabulary.load(tmp_path).bias == vocabulary.bias


def test_extension_keeps_every_old_id_and_uses_a_free_task_slot():
    tokens = special_tokens()
    tokens[tokens.index("<svs_task>")] = "<other_task>"
    tokens += ["<ssl_code1>", "<ssl_code2>", "<codec_layer0_code0>", "bpe_a"]
    base = Vocabulary(tuple(tokens), {"codec_ssl": (256, 259), "text_bpe": (259, 260)})
    grown = Vocabulary.build(2, 1, 1, PHONES, tasks=("svs", "cot_svs"), base=base)
    changed = [i for i, token in enumerate(tokens) if grown.tokens[i] != token]
    assert [grown.tokens[i] for i in changed] == ["<svs_task>", "<cot_svs_task>"]
    assert all(tokens[i].startswith("<unused_token_") for i in changed)
    assert grown.bias["svs_lb"][0] == len(tokens)
    assert grown.stream_slices() == [(256, 258), (258, 259)]
    with pytest.raises(UserError, match=r"streams of sizes \[2, 1\]"):
        Vocabulary.build(3, 1, 1, PHONES, base=base)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("token_list.json", '{"a": 1}', "not a list of strings"),
        ("token_list.json", '["<pad>", "<pad>", "<sos/eos>"]', "duplicate token '<pad>'"),
        ("token_list.json", '["a", "b"]', "no token <pad>"),
        ("token_list.json", '["<pad>", "<sos/eos>", "<ssl_code2>"]', "token <ssl_code2> at 2"),
        ("token_bias.json", '{"codec_ssl": 99999}', "an index below"),
    ],
)
def test_broken_files_are_named(vocabulary, tmp_path, name, content, message):
    vocabulary.save(tmp_path)
    if name == "token_list.json":
        (tmp_path / "token_bias.json").write_text("{}")
    (tmp_path / name).write_text(content)
    with pytest.raises(UserError, match=message) as error:
        Vocabulary.load(tmp_path)
    assert str(tmp_path) in str(error.value)
