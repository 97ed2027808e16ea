"""Judges of the hub and of packages: tiny models that the tests make, or a reason in one line."""

import logging

import numpy as np
import pytest
import soxr
import torch

from espnet2_ext.errors import UserError
from espnet2_ext.evaluation.measures import MEASURES
from espnet2_ext.evaluation.scoring import ScoringConfig
from espnet2_ext.judges.learned import LEARNED, load_learned
from espnet2_ext.judges.whisper import load_whisper, phones_of_text, windows
from espnet2_ext.metrics.dnsmos import load_dnsmos
from espnet2_ext.metrics.hub_model import FS, model_folder
from espnet2_ext.metrics.mos import without_silence
from espnet2_ext.metrics.speaker import cosine
from espnet2_ext.metrics.speech_speakers import load_resemblyzer, load_wavlm

transformers = pytest.importorskip("transformers")
_SPECIAL = ["<|endoftext|>", "<|startoftranscript|>", "<|zh|>", "<|translate|>",
            "<|transcribe|>", "<|notimestamps|>"]  # fmt: skip


def voice(hz: float, sec: float = 1.0) -> np.ndarray:
    """A glottal buzz through two resonances, in syllables of a third of a second."""
    t = np.arange(round(sec * FS)) / FS
    wav = sum(
        np.sin(2 * np.pi * hz * k * t) * np.exp(-((hz * k - 700) ** 2) / 3e5) for k in range(1, 30)
    )
    return (0.1 * wav * np.clip(np.sin(3 * np.pi * t) ** 2, 0.02, 1)).astype(np.float32)


@pytest.fixture(scope="module")
def wavlm(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wavlm")
    torch.manual_seed(0)
    config = transformers.WavLMConfig(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
        conv_dim=(16,) * 7, num_conv_pos_embeddings=16, num_conv_pos_embedding_groups=2,
        tdnn_dim=(8, 8, 8), tdnn_kernel=(3, 3, 1), tdnn_dilation=(1, 2, 1), xvector_output_dim=6,
        num_labels=2,
    )  # fmt: skip
    transformers.WavLMForXVector(config).save_pretrained(folder)
    transformers.Wav2Vec2FeatureExtractor().save_pretrained(folder)
    return folder


def test_wavlm_embeds_recordings(wavlm):
    speaker = load_wavlm(str(wavlm))
    assert speaker.reason == "" and speaker.name == str(wavlm)
    one, again, other = (speaker.embed(voice(hz)) for hz in (120, 120, 300))
    assert one.shape == (6,) and np.array_equal(one, again) and cosine(one, other) < 1


def test_weights_are_read_whole_and_without_pickle(wavlm, tmp_path):
    from safetensors.torch import load_file, save_file

    state = load_file(wavlm / "model.safetensors")
    for name in ("config.json", "preprocessor_config.json"):
        (tmp_path / name).write_bytes((wavlm / name).read_bytes())
    assert "does not load" in load_wavlm(str(tmp_path)).reason  # no weights
    torch.save(state, tmp_path / "pytorch_model.bin")
    assert np.allclose(
        load_wavlm(str(tmp_path)).embed(voice(120)), load_wavlm(str(wavlm)).embed(voice(120))
    )
    touched = tmp_path / "touched"

    class Evil:
        def __reduce__(self):
            return type(touched).touch, (touched,)

    torch.save(state | {"x": Evil()}, tmp_path / "pytorch_model.bin")
    assert load_wavlm(str(tmp_path)).embed is None and not touched.exists()
    part = {k: v for k, v in state.items() if not k.startswith("feature_extractor")}
    save_file(part, tmp_path / "model.safetensors", {"format": "pt"})
    reason = load_wavlm(str(tmp_path)).reason
    assert "missing parameter feature_extractor" in reason and "\n" not in reason


@pytest.mark.parametrize("load", [load_wavlm, load_whisper])
def test_without_weights_one_line_says_so(load, monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    model = load("")
    assert "not in the hub's cache" in model.reason and "--fetch_mos" in model.reason
    assert "\n" not in model.reason


def test_a_revision_is_pinned_by_the_source(monkeypatch, tmp_path):
    asked = []

    def download(name, revision, allow_patterns, **options):
        asked.append((name, revision, options["local_files_only"], "*.json" in allow_patterns))
        return str(tmp_path)

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    assert model_folder("owner/name@abc123", fetch=True) == tmp_path
    (tmp_path / "model.safetensors").touch()
    model_folder("owner/name")
    assert asked == [("owner/name", "abc123", False, True)] * 2 + [("owner/name", None, True, True)]
    with pytest.raises(UserError):
        model_folder("../elsewhere")


@pytest.fixture(scope="module")
def whisper(tmp_path_factory):
    """It hears "la" in all audio, three times."""
    folder = tmp_path_factory.mktemp("whisper")
    vocabulary = {token: index for index, token in enumerate(["l", "a", "Ġ", "la", "Ġla"])}
    tokenizer = transformers.WhisperTokenizer(
        vocab=vocabulary, merges=[("l", "a"), ("Ġ", "la")], additional_special_tokens=_SPECIAL,
        **{f"{kind}_token": _SPECIAL[0] for kind in ("bos", "eos", "unk", "pad")},
    )  # fmt: skip
    ids = {token: tokenizer.convert_tokens_to_ids(token) for token in ("Ġla", *_SPECIAL)}
    config = transformers.WhisperConfig(
        vocab_size=len(tokenizer), num_mel_bins=8, d_model=8, encoder_layers=1, decoder_layers=1,
        encoder_attention_heads=1, decoder_attention_heads=1, encoder_ffn_dim=8,
        decoder_ffn_dim=8, max_target_positions=16, decoder_start_token_id=ids[_SPECIAL[1]],
        pad_token_id=ids[_SPECIAL[0]], bos_token_id=ids[_SPECIAL[0]], eos_token_id=ids[_SPECIAL[0]],
        begin_suppress_tokens=None, suppress_tokens=None,
    )  # fmt: skip
    torch.manual_seed(0)
    model = transformers.WhisperForConditionalGeneration(config)
    with torch.no_grad():
        model.model.decoder.layer_norm.weight.zero_()
        model.model.decoder.layer_norm.bias.copy_(torch.ones(8))
        model.model.decoder.embed_tokens.weight[ids["Ġla"]] = 1.0
    options = model.generation_config
    options._from_model_config = False  # else what follows is not read
    options.lang_to_id, options.is_multilingual = {"<|zh|>": ids["<|zh|>"]}, True
    options.task_to_id = {t: ids[f"<|{t}|>"] for t in ("transcribe", "translate")}
    options.no_timestamps_token_id, options.max_new_tokens = ids["<|notimestamps|>"], 3
    model.save_pretrained(folder)
    extractor = transformers.WhisperFeatureExtractor(feature_size=8)
    transformers.WhisperProcessor(extractor, tokenizer).save_pretrained(folder)
    return folder


def test_whispers_words_become_phones(whisper, caplog):
    words = load_whisper(str(whisper))
    assert words.reason == ""
    with caplog.at_level(logging.WARNING):
        assert words.recognize(voice(200), "zh") == ["l", "a"] * 3
        assert words.recognize(voice(200), "yue") is None  # a language that it does not have
        assert words.recognize(voice(200), "yue") is None
    assert caplog.text.count("not measured") == 1
    assert words.recognize(np.zeros(31 * FS, np.float32), "zh") == ["l", "a"] * 6


def test_transcripts_are_read_as_lyrics_are():
    assert phones_of_text("还记得，银行！", "zh") == phones_of_text("还记得银行", "zh")
    assert phones_of_text("la, LA?", "zh") == ["l", "a", "l", "a"]
    assert phones_of_text("我 Ж 爱", "zh") == phones_of_text("我爱", "zh") != []
    assert phones_of_text("Hello, world.", "en")[:2] == ["HH", "AH"]
    assert phones_of_text(" ...", "zh") == []
    assert [len(part) for part in windows(np.zeros(61 * FS))] == [61 * FS // 3 + 1] + [
        61 * FS // 3
    ] * 2


def test_every_judge_has_a_column_and_what_is_missing_is_said():
    metrics = {metric.name for measure in MEASURES for metric in measure.metrics}
    assert {judge.metric for judge in LEARNED.values()} <= metrics
    models = load_learned({"firered_asr": "", "songeval": ""})
    assert "FireRedASR has no architecture" in models.words["firered_per"].reason
    assert "SongEval has no architecture" in models.mos["songeval"].reason
    with pytest.raises(ValueError, match="'ears' is not one of resemblyzer"):
        ScoringConfig(judges={"ears": ""})


def test_packages_that_are_not_installed_are_named(monkeypatch):
    import sys

    for name in ("resemblyzer", "speechmos"):
        monkeypatch.setitem(sys.modules, name, None)
    for model in (load_resemblyzer(), load_dnsmos()):
        assert "is not installed" in model.reason and "\n" not in model.reason


@pytest.mark.slow
def test_resemblyzer_tells_voices_apart():
    pytest.importorskip("resemblyzer", reason="extra `judges` (docs/metrics.md)")
    speaker = load_resemblyzer()
    low, again, high = (speaker.embed(voice(hz, sec)) for hz, sec in ((110, 4), (110, 5), (440, 4)))
    assert cosine(low, again) > 0.95 > cosine(low, high)
    silent = speaker.embed(np.zeros(FS, np.float32))
    assert silent.shape == low.shape and np.isnan(cosine(low, silent))


@pytest.mark.slow
def test_dnsmos_hears_noise_and_not_the_silence_around():
    pytest.importorskip("speechmos", reason="extra `judges` (docs/metrics.md)")
    mos = load_dnsmos()
    sung = voice(220, 4)
    rng = np.random.default_rng(0)
    clean = mos.predict(without_silence(sung))
    longer = mos.predict(without_silence(np.pad(sung, (0, 5 * FS))))
    assert longer == pytest.approx(clean, abs=0.05)
    room = 1e-5 * rng.standard_normal(len(sung) + 5 * FS)
    assert mos.predict(without_silence(np.pad(sung, (0, 5 * FS)) + room)) == pytest.approx(
        clean, abs=0.05
    )
    assert np.isnan(mos.predict(np.zeros(FS)))
    resampled = soxr.resample(soxr.resample(sung, FS, 24000), 24000, FS)
    assert mos.predict(resampled) == pytest.approx(clean, abs=0.3)
