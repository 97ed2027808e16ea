"""Instructions and lyrics as streams: each distinct text is encoded once."""

import numpy as np
import pytest
import torch

from espnet2_ext.bin import data
from espnet2_ext.data.lyric_symbols import lyric_ids, lyric_symbols
from espnet2_ext.data.once import write_once
from espnet2_ext.errors import UserError
from espnet2_ext.files import read_scp, read_table, write_text
from espnet2_ext.tokenizer.text_states import TextPieces, TextStates

TEXTS = "a a calm song\nb a loud song\nc a calm song\n"


def run(*argv) -> int:
    with pytest.raises(SystemExit) as exit_:
        data.main([str(a) for a in argv])
    return exit_.value.code


def test_utterances_of_one_text_share_one_array(tmp_path):
    calls = []

    def encode(text, utt):
        calls.append((text, utt))
        return np.full((len(text), 2), float(len(calls)))

    texts = {"a": "x", "b": "yy", "c": "x"}
    assert write_once(tmp_path, "instruction", texts, encode) == 2
    assert calls == [("x", "a"), ("yy", "b")]
    found, places = read_scp(tmp_path / "instruction.scp"), read_table(tmp_path / "instruction.scp")
    assert places["a"] == places["c"] != places["b"]
    assert found["c"].tolist() == [[1.0, 1.0]] and found["b"].shape == (2, 2)


def test_pieces_are_fitted_once_and_give_the_ids_of_each_text(tmp_path):
    write_text(tmp_path / "text", TEXTS)
    command = ("instructions", "--text", tmp_path / "text", "--pieces", tmp_path / "spm.model")
    for name in ("first", "again"):
        assert run(*command, "--output_dir", tmp_path / name, "--n_symbols", 280) == 0
    first, again = (read_scp(tmp_path / n / "instruction_ids.scp") for n in ("first", "again"))
    pieces = TextPieces(tmp_path / "spm.model")
    for utt, text in read_table(tmp_path / "text").items():
        assert pieces.model.decode(first[utt].tolist()) == text
        np.testing.assert_array_equal(first[utt], again[utt])
        np.testing.assert_array_equal(first[utt], pieces(text, utt))
    with pytest.raises(UserError, match="c: instruction: no text"):
        pieces("", "c")


def test_pieces_are_kept_without_code_and_a_file_of_none_is_refused(tmp_path):
    (tmp_path / "spm.model").write_bytes(TextPieces.fit(["a calm song", "a loud song"], 280))
    pieces = TextPieces(tmp_path / "spm.model")
    pieces.save(tmp_path / "spm.safetensors")
    again = TextPieces(tmp_path / "spm.safetensors")
    np.testing.assert_array_equal(again("a calm song", "t"), pieces("a calm song", "t"))
    (tmp_path / "bad.model").write_bytes(b"none")
    with pytest.raises(UserError, match="a SentencePiece model"):
        TextPieces(tmp_path / "bad.model")


def test_fewer_pieces_than_characters_is_one_line():
    with pytest.raises(UserError, match=r"--n_symbols: Vocabulary size is smaller .* more pieces"):
        TextPieces.fit(["abcdefgh"], 10)


def test_lyrics_become_ids(tmp_path):
    write_text(tmp_path / "text", "a [S0] 你好 [S1] 好\nb 你\n")
    assert run("lyrics", "--text", tmp_path / "text", "--output_dir", tmp_path / "out") == 0
    found = read_scp(tmp_path / "out" / "lyrics_ids.scp")
    assert found["a"].tolist() == lyric_ids(["[S0]", "n", "i", "h", "ao", "[S1]", "h", "ao"])
    assert found["b"].tolist() == lyric_ids(lyric_symbols("你"))
    write_text(tmp_path / "text", "a [S7] 你好\n")
    assert run("lyrics", "--text", tmp_path / "text", "--output_dir", tmp_path / "out") == 2


@pytest.mark.slow
def test_states_are_those_of_the_language_model(tmp_path):
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import AutoModel, PreTrainedTokenizerFast, Qwen2Config, Qwen2Model

    symbols = {s: k for k, s in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    tokenizer = Tokenizer(models.BPE(symbols, []))  # of single bytes; a space is Ġ
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    PreTrainedTokenizerFast(tokenizer_object=tokenizer).save_pretrained(tmp_path)
    torch.manual_seed(0)
    config = Qwen2Config(vocab_size=len(symbols), hidden_size=12, intermediate_size=16,
                         num_hidden_layers=2, num_attention_heads=2,
                         num_key_value_heads=1)  # fmt: skip
    Qwen2Model(config).save_pretrained(tmp_path)
    write_text(tmp_path / "text", TEXTS)
    command = ("instructions", "--text", tmp_path / "text", "--model", tmp_path)
    assert run(*command, "--output_dir", tmp_path / "out") == 0
    found = read_scp(tmp_path / "out" / "instruction.scp")
    model = AutoModel.from_pretrained(tmp_path).eval()
    ids = torch.tensor([[symbols[symbol] for symbol in "aĠloudĠsong"]])
    with torch.no_grad():
        expected = model(ids).last_hidden_state[0]
    assert found["b"].shape == (len("a loud song"), 12)
    np.testing.assert_allclose(found["b"], expected, atol=1e-5)
    with pytest.raises(UserError, match="layer: 3 .expected -3 to 2"):
        TextStates(str(tmp_path), layer=3)
    with pytest.raises(UserError, match="nowhere"):
        TextStates(str(tmp_path / "nowhere"))
