"""ESPnet's models through the recipes: trained by its commands, sung in our form."""

import numpy as np
import pytest

from espnet2_ext.audio.wav import read_wav
from espnet2_ext.files import read_scp, read_table

pytestmark = pytest.mark.slow

STREAMS, SIZE = 3, 16


def test_token_models_sing_codes_for_flow_and_codec(checkout, run_sh):
    status, output = run_sh("svs2")
    assert status == 0, output[-3000:]
    assert "test_singer has singers that training does not: left out" in output
    tokens = checkout / "speechlm1/dump/tokens/test"
    for system in ("toksing", "xiaoicesing_discrete"):
        decoded = checkout / "svs2/exp" / system / "decode"
        label, own = decoded / "label/test", decoded / "own/test"
        codes, truth = read_scp(label / "codec_ssl.scp"), read_scp(tokens / "codec_ssl.scp")
        assert sorted(codes) == ["test_0", "test_1"]
        for utt in codes:
            assert codes[utt].dtype == np.int32 and len(codes[utt]) == len(truth[utt])
            assert codes[utt].min() >= 0 and codes[utt].max() < SIZE
            # the timing of the label is exactly the one that every other system sings with
            expected = read_scp(tokens / "score_frames.scp")[utt]
            assert np.array_equal(read_scp(label / "score_frames.scp")[utt], expected)
            frames = read_scp(own / "score_frames.scp")[utt].reshape(-1, 4)
            assert len(read_scp(own / "codec_ssl.scp")[utt]) == len(frames) * STREAMS
        assert read_table(label / "prompt.scp") == read_table(tokens / "prompt.scp")
    status, output = run_sh("svs2", "--system", "toksing")
    assert status == 0 and output.count("done before, nothing to do") == 4


def test_mel_and_end_to_end_models_sing_as_long_as_the_label(checkout, run_sh):
    status, output = run_sh("svs1")
    assert status == 0, output[-3000:]
    truth = read_scp(checkout / "speechlm1/dump/tokens/test/mel.scp")
    wavs = read_table(checkout / "svs1/exp/visinger2/decode/label/test/wav.scp")
    for system in ("score_regression", "xiaoicesing_mel"):
        decoded = checkout / "svs1/exp" / system / "decode"
        mel, f0 = (read_scp(decoded / f"label/test/{name}.scp") for name in ("mel", "f0"))
        own, own_f0 = (read_scp(decoded / f"own/test/{name}.scp") for name in ("mel", "f0"))
        frames = read_scp(decoded / "own/test/score_frames.scp")
        for utt in truth:
            assert mel[utt].shape == truth[utt].shape and f0[utt].shape == (len(truth[utt]),)
            assert abs(mel[utt].mean() - truth[utt].mean()) < 3  # natural log, as denormalized
            assert -(-len(own[utt]) // 2) == len(frames[utt]) // 4
            assert own_f0[utt].shape == (len(own[utt]),)
    for utt in truth:
        assert len(read_wav(wavs[utt], 24000)[0]) == len(truth[utt]) * 240


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--size", "huge"), "--size huge (expected default or debug)"),
        (("--system", "fastspeech"), "conf/train_fastspeech_debug.yaml: no such file"),
        (("--tokenizer_dir", "nowhere"), "nowhere/phones.txt: no such file"),
        (("--source_dump", "nowhere"), "nowhere/tokens/train: no tokens"),
    ],
)
def test_what_is_missing_is_said_before_anything_runs(run_sh, options, message):
    status, output = run_sh("svs2", *options)
    assert status == 2 and message in output
