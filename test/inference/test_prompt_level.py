"""A voice from a recording is the same voice however loud it was recorded."""

import numpy as np
import pytest
import torch

from espnet2_ext.audio.mel import MelConfig
from espnet2_ext.audio.wav import write_wav
from espnet2_ext.inference.synthesizer import SingingSynthesizer
from espnet2_ext.tokenizer.level import at_level, level_of, voice_level

FS = MelConfig().fs


def hum(seconds: float = 2.0, lead_sec: float = 0.5) -> np.ndarray:
    """Silence, then harmonics of a gliding voice, with some noise."""
    rng = np.random.default_rng(0)
    times = np.arange(round(seconds * FS)) / FS
    phase = 2 * np.pi * np.cumsum(200 + 20 * times) / FS
    voice = sum(np.sin(k * phase) / k for k in range(1, 30)) + 0.1 * rng.standard_normal(len(times))
    return np.concatenate([np.zeros(round(lead_sec * FS)), voice / np.abs(voice).max()])


@pytest.mark.parametrize("gain_db", [-30, -12, -1])
def test_a_soft_recording_has_the_tokens_of_a_loud_one(pack, tmp_path, gain_db):
    synthesizer = SingingSynthesizer.from_pretrained(pack)
    tokens = []
    for name, db in (("loud", -6), ("soft", -6 + gain_db)):
        write_wav(tmp_path / f"{name}.wav", hum() * 10 ** (db / 20), FS)
        tokens.append(synthesizer.encode_prompt(tmp_path / f"{name}.wav"))
    loud, soft = (frames[25:] for frames in tokens)  # without the silence before the voice
    assert (loud == soft).float().mean() > 0.95  # 16 bits round a soft voice


def test_a_prompt_gets_the_level_of_the_packs_own(pack):
    synthesizer = SingingSynthesizer.from_pretrained(pack)
    codec, mel = synthesizer.tokenizers.codec, synthesizer.tokenizers.mel
    prompts = synthesizer.model.prompts.values()
    level = level_of(codec, mel, (tokens[:, 1:] for tokens in prompts))
    for gain in (1.0, 0.01):
        wav = at_level((gain * hum()).astype(np.float32), mel, level)
        assert voice_level(synthesizer.tokenizers.log_mel(wav)) == pytest.approx(level, abs=0.01)


def test_silence_and_clicks_do_not_tell_the_level():
    voice = torch.full((50, 80), -4.0)
    silence, click = torch.full((150, 80), -11.5), torch.full((2, 80), 1.0)
    mixed = torch.cat([silence, click, voice])
    assert voice_level(mixed) == pytest.approx(voice_level(voice))
