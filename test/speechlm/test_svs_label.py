"""How svs_lb is written reaches the model: its prefix, its training's options, its inference."""

from argparse import Namespace

import numpy as np
import pytest
import torch
import yaml

from espnet2_ext.bin import infer
from espnet2_ext.errors import UserError
from espnet2_ext.files import ArkWriter, read_scp
from espnet2_ext.speechlm.inference import DecodingConfig, SpeechLMInference
from espnet2_ext.speechlm.rolled_score import Shift, Utterance, rolled_score
from espnet2_ext.tasks.speechlm import take_label_config

from .conftest import make_args, make_batch, make_model, make_score, make_utterance

STREAM = ("svs_frames.scp", "svs_frames", "kaldi_ark")


def labelled(*sizes):
    """Utterances whose svs_frames are others than their score's, and longer."""
    utterances = [make_utterance(F, 4, seed=F) for F in sizes]
    for u in utterances:
        torch.manual_seed(len(u.score_frames))
        u.svs_frames = make_score(len(u.score_frames) + 3)
    return utterances


def with_labels(utterances):
    values = [u.svs_frames for u in utterances]
    return make_batch(*utterances) | {
        "svs_frames": torch.nn.utils.rnn.pad_sequence(values, batch_first=True),
        "svs_frames_lengths": torch.tensor([len(v) for v in values]),
    }


def test_the_prefix_tells_the_frames_of_svs_lb():
    model, utterances = make_model("prefix").eval(), labelled(9, 14)
    batch = with_labels(utterances)
    losses = [model(**{k: v for k, v in batch.items() if "svs" not in k})[0], model(**batch)[0]]
    assert not torch.isclose(*losses)
    renamed = [Namespace(**{**vars(u), "score_frames": u.svs_frames}) for u in utterances]
    assert torch.equal(losses[1], model(**make_batch(*renamed))[0])
    synchronous = make_model("synchronous").eval()
    plain = synchronous(**make_batch(*utterances))[0]
    assert torch.equal(plain, synchronous(**batch)[0])


def test_phones_of_speech_do_not_depend_on_svs_lb():
    """A phone that svs_lb rounds to nothing is spoken all the same."""
    from .test_tts import make_tts

    model, utterances = make_tts().eval(), labelled(9)
    assert torch.equal(model(**with_labels(utterances))[0], model(**make_batch(*utterances))[0])


def test_inference_and_the_rolled_score_read_the_frames_of_svs_lb():
    inference, (u,) = SpeechLMInference(make_model("prefix")), labelled(11)
    args = ([u.score_frames], [u.prompt], DecodingConfig(seed=1))
    plain, told = inference.generate(*args)[0], inference.generate(*args, [u.svs_frames])[0]
    assert len(plain.tokens) == len(told.tokens) == 11
    assert plain.score != told.score
    reports = [
        rolled_score(inference.model, [Utterance(u.codec_ssl, u.score_frames, u.prompt, svs)],
                     [Shift(frames=2)])
        for svs in (None, u.svs_frames)
    ]  # fmt: skip
    assert reports[0].log_prob != reports[1].log_prob
    assert reports[0].shifts[0].log_prob != reports[1].shifts[0].log_prob


def test_the_command_line_reads_svs_frames_beside_the_scores(tmp_path):
    (u,) = labelled(11)
    torch.save(make_model("prefix").state_dict(), tmp_path / "model.pth")
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(vars(make_args("prefix"))))
    for folder, names in (("without", ()), ("with", ("svs_frames",))):
        for name in ("score_frames", "prompt", *names):
            with ArkWriter(tmp_path / folder, name) as ark:
                ark["u"] = getattr(u, name).reshape(-1).numpy().astype(np.int32)
        with pytest.raises(SystemExit) as end:
            infer.main(["speechlm",
                "--train_config", str(tmp_path / "config.yaml"),
                "--model_file", str(tmp_path / "model.pth"),
                "--score_frames_scp", str(tmp_path / folder / "score_frames.scp"),
                "--prompt_scp", str(tmp_path / folder / "prompt.scp"),
                "--output_dir", str(tmp_path / folder),
            ])  # fmt: skip
        assert end.value.code == 0
    tokens = [read_scp(tmp_path / f / "codec_ssl.scp")["u"] for f in ("without", "with")]
    assert len(tokens[0]) == len(tokens[1]) and (tokens[0] != tokens[1]).any()


def options(tmp_path, svs_lb, streams=(), **model_conf):
    (tmp_path / "config.yaml").write_text(yaml.safe_dump({"svs_lb": svs_lb}))
    return Namespace(
        tokenizer_dir=str(tmp_path),
        model_conf=model_conf,
        train_data_path_and_name_and_type=list(streams),
    )


@pytest.mark.parametrize("placeholder", [True, False])
def test_training_takes_placeholders_from_the_tokenizer(tmp_path, placeholder):
    args = options(tmp_path, {"placeholder": placeholder})
    take_label_config(args, "yaml")
    assert args.model_conf == {"svs_placeholder": placeholder}
    take_label_config(args, "yaml")  # saying the same


def test_what_contradicts_the_tokenizer_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"svs_placeholder: False \(expected True"):
        take_label_config(options(tmp_path, {"placeholder": True}, svs_placeholder=False), "yaml")
    with pytest.raises(UserError, match=r"no svs_frames \(expected their stream"):
        take_label_config(options(tmp_path, {"rounding": "per_phone"}), "yaml")
    with pytest.raises(UserError, match=r"data: svs_frames \(expected none"):
        take_label_config(options(tmp_path, {}, [STREAM]), "yaml")
    take_label_config(options(tmp_path, {"rounding": "per_phone"}, [STREAM]), "yaml")
