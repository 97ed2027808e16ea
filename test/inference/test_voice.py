"""Voices: recordings encoded once, joined, saved, and sung in by packs of the same tokenizers."""

import numpy as np
import pytest
import torch

from espnet2_ext.audio.wav import read_wav, write_wav
from espnet2_ext.bin import sing
from espnet2_ext.bin.voice import main as voice_main
from espnet2_ext.checkpoint import load_state, save_safetensors
from espnet2_ext.errors import UserError
from espnet2_ext.inference.synthesizer import SingingSynthesizer
from espnet2_ext.inference.voice import Voice, concatenate
from espnet2_ext.score.formats.json_format import write_json_score

from .conftest import MEL, N_CODEBOOKS
from .test_masked_pack import SCORE


def run(main, *argv) -> int:
    with pytest.raises(SystemExit) as ended:
        main([str(word) for word in argv])
    return ended.value.code


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    """Three recordings of 0.5, 1.2 and 1 s, of noises of different colours."""
    folder, rng = tmp_path_factory.mktemp("recordings"), np.random.default_rng(0)
    paths = []
    for k, seconds in enumerate((0.5, 1.2, 1.0)):
        noise = np.convolve(rng.normal(0, 0.1, round(seconds * MEL.fs)), np.ones(3**k), "same")
        paths.append(folder / f"{k}.wav")
        write_wav(paths[-1], noise.astype(np.float32) / 3**k, MEL.fs)
    return paths


def numbered(*lengths):
    """Prompts whose tokens say which recording (hundreds) and which frame they are."""
    return [100 * k + torch.arange(n)[:, None] for k, n in enumerate(lengths, 1)]


def test_each_recording_has_its_share_of_the_frames_that_a_model_uses():
    joined = concatenate(numbered(5, 5), 6)[:, 0].tolist()
    assert joined[:6] == [100, 101, 102, 200, 201, 202]
    assert sorted(joined) == [100, 101, 102, 103, 104, 200, 201, 202, 203, 204]
    joined = concatenate(numbered(1, 9, 9), 9)[:, 0].tolist()
    assert [token // 100 for token in joined[:9]].count(1) == 1
    assert sorted([token // 100 for token in joined[:9]].count(k) for k in (2, 3)) == [4, 4]
    assert len(joined) == 19 and len(set(joined)) == 19
    (alone,) = numbered(7)
    assert torch.equal(concatenate([alone], 3), alone)
    assert torch.equal(concatenate(numbered(2, 3), None), torch.cat(numbered(2, 3)))


def test_the_mean_over_a_joined_prompt_is_the_mean_of_the_recordings():
    """So a model that pools its prompt by a mean gets the average voice."""
    one, other = torch.full((40, 1), 2.0), torch.full((10, 1), 5.0)
    used = concatenate([one, other], 20)[:20]
    assert used.mean() == 3.5


def test_a_saved_voice_sings_as_its_recordings_do(masked_pack, recordings, tmp_path, capsys):
    file = tmp_path / "ann.safetensors"
    assert run(voice_main, "save", file, "--model", masked_pack, "--prompt", *recordings) == 0
    assert capsys.readouterr().out == f"{file}\n"
    voice = Voice.load(file)
    assert voice.name == "ann" and [len(p) for p in voice.prompts] == [25, 60, 50]
    write_json_score(tmp_path / "song.json", SCORE)
    common = (tmp_path / "song.json", "--model", masked_pack, "-o")
    assert run(sing.main, *common, tmp_path / "a.wav", "--voice", file) == 0
    prompts = [word for path in recordings for word in ("--prompt", path)]
    assert run(sing.main, *common, tmp_path / "b.wav", *prompts) == 0
    assert run(sing.main, *common, tmp_path / "c.wav", "--prompt", recordings[0]) == 0
    a, b, c = (read_wav(tmp_path / f"{name}.wav")[0] for name in "abc")
    assert np.array_equal(a, b) and not np.array_equal(a, c)


def test_packs_of_the_same_tokenizers_share_voices(masked_pack, pack, recordings, tmp_path):
    masked, lm = (SingingSynthesizer.from_pretrained(path) for path in (masked_pack, pack))
    voice = masked.voice_of(recordings, "ann")
    assert np.array_equal(lm(SCORE, prompt=voice).wav, lm(SCORE, prompt=recordings).wav)
    assert not np.array_equal(lm(SCORE, prompt=voice).wav, lm(SCORE, "ann").wav)
    other = Voice("ann", voice.prompts, "0")
    with pytest.raises(UserError, match=r"voice: tokens of other tokenizers \(expected those of"):
        lm(SCORE, prompt=other)
    for prompts, found in (
        ((voice.prompts[0] + 1000,), "prompt 1: codec_ssl: a code outside its stream"),
        ((voice.prompts[0], voice.prompts[1][:, :2]), "prompt 2: tokens of shape"),
    ):
        with pytest.raises(UserError, match=found):
            lm(SCORE, prompt=Voice("ann", prompts, voice.tokenizer))


def test_a_file_that_is_no_voice_is_refused(tmp_path):
    tokens = torch.zeros(4, 1 + N_CODEBOOKS, dtype=torch.long)
    good = tmp_path / "good.safetensors"
    Voice("ann", (tokens, tokens[:2]), "abc").save(good)
    loaded = Voice.load(good)
    assert loaded.tokenizer == "abc" and loaded.prompts[0].dtype == torch.long
    assert [len(prompt) for prompt in loaded.prompts] == [4, 2]
    with pytest.raises(UserError, match=r"v\.pth: suffix '\.pth' \(expected \.safetensors\)"):
        Voice("ann", (tokens,), "abc").save(tmp_path / "v.pth")
    with pytest.raises(UserError, match="no such file"):
        Voice.load(tmp_path / "missing.safetensors")
    said = {"format": "espnet2-ext voice 1"}
    for state, metadata, found in (
        (load_state(good), {}, "no voice"),
        ({"prompt_1": tokens.int()}, said, "no voice"),
        ({"prompt_0": tokens.float()}, said, "prompt_0: torch.float32"),
    ):
        save_safetensors(state, tmp_path / "bad.safetensors", metadata)
        with pytest.raises(UserError, match=found):
            Voice.load(tmp_path / "bad.safetensors")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--voice", "a.safetensors", "--singer", "ann"], "both --singer and --voice FILE"),
        (["--voice", "a.safetensors", "--voice", "b.safetensors"], "(expected one file)"),
        (["--voice", "1", "--voice", "2"], "1 and 2 (expected one voice of the part)"),
        (["--voice", "missing.safetensors"], "missing.safetensors: no such file"),
    ],
)
def test_sing_takes_one_voice(masked_pack, tmp_path, capsys, options, said):
    write_json_score(tmp_path / "song.json", SCORE)
    given = (tmp_path / "song.json", "--model", masked_pack, "-o", tmp_path / "o.wav", *options)
    assert run(sing.main, *given) == 2
    assert said in capsys.readouterr().err
