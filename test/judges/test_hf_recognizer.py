"""A Hugging Face CTC model behind the recogniser's interface."""

import json

import numpy as np
import pytest

from espnet2_ext.errors import UserError
from espnet2_ext.judges.phone_recognizer import HfPhoneRecognizer


def test_a_ctc_model_on_disk_recognises_and_is_renamed(tmp_path):
    transformers = pytest.importorskip("transformers")
    vocabulary = {"<pad>": 0, "<unk>": 1, "ɑ": 2, "n": 3}
    (tmp_path / "vocab.json").write_text(json.dumps(vocabulary))
    tokenizer = transformers.Wav2Vec2CTCTokenizer(
        str(tmp_path / "vocab.json"), pad_token="<pad>", unk_token="<unk>",
        bos_token=None, eos_token=None, word_delimiter_token=None,
    )  # fmt: skip
    extractor = transformers.Wav2Vec2FeatureExtractor(sampling_rate=16000)
    transformers.Wav2Vec2Processor(extractor, tokenizer).save_pretrained(tmp_path)
    config = transformers.Wav2Vec2Config(
        vocab_size=len(tokenizer), hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=16, conv_dim=(16,) * 7, pad_token_id=0,
    )  # fmt: skip
    model = transformers.Wav2Vec2ForCTC(config)
    model.lm_head.weight.data.zero_()
    model.lm_head.bias.data[2] = 5.0
    model.save_pretrained(tmp_path)
    recognizer = HfPhoneRecognizer(str(tmp_path), {"ɑ": "a"})
    wav = np.random.default_rng(0).normal(size=24000).astype(np.float32)
    assert recognizer.recognize(wav, 24000) == ["a"]


def test_a_model_without_its_head_hears_nothing(tmp_path):
    """It loaded with a random one, and a warning of the library."""
    transformers = pytest.importorskip("transformers")
    config = transformers.Wav2Vec2Config(
        vocab_size=4, hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=16, conv_dim=(16,) * 7,
    )  # fmt: skip
    transformers.Wav2Vec2Model(config).save_pretrained(tmp_path)
    (tmp_path / "vocab.json").write_text('{"<pad>": 0, "a": 1, "<unk>": 2, "|": 3}')
    tokenizer = transformers.Wav2Vec2CTCTokenizer(tmp_path / "vocab.json", pad_token="<pad>")
    extractor = transformers.Wav2Vec2FeatureExtractor(sampling_rate=16000)
    transformers.Wav2Vec2Processor(extractor, tokenizer).save_pretrained(tmp_path)
    with pytest.raises(UserError, match="missing parameter lm_head"):
        HfPhoneRecognizer(str(tmp_path))


def test_a_model_that_is_not_there_is_a_users_error(tmp_path):
    with pytest.raises(UserError, match="a CTC model"):
        HfPhoneRecognizer(str(tmp_path / "nowhere"))
