"""Adapting a pretrained LM under ZeRO: resumed, averaged, loaded without adapters."""

import pytest
import torch

from espnet2_ext.errors import UserError
from espnet2_ext.speechlm.inference import SpeechLMInference
from espnet2_ext.tokenizer.vocabulary import Vocabulary

from .conftest import CONFIG, PHONES, SIZES, train_command
from .test_zero_trainer import run, run_until, weights

pytestmark = pytest.mark.slow


def conf(task):
    return {**CONFIG["model_conf"], "task": task}


@pytest.fixture(scope="module")
def pretrained(corpus, tmp_path_factory):
    """An LM of speech, trained for an epoch, and its vocabulary grown for singing."""
    root = tmp_path_factory.mktemp("tts")
    sizes = int(SIZES[0]), len(SIZES) - 1, int(SIZES[1])
    old = Vocabulary.build(*sizes, PHONES, ["codec_ssl_tts"])
    old.save(root / "old")
    Vocabulary.build(*sizes, PHONES, base=old).save(root / "grown")
    command = train_command(corpus, root / "exp", max_epoch=1, model_conf=conf("codec_ssl_tts"))
    run([*command, "--token_list", str(root / "old" / "token_list.json")])
    return root


def adaptation(corpus, pretrained, output, **changes):
    changes = {"adaptation_conf": {"method": "lora", "r": 4}, **changes}
    command = train_command(
        corpus, output, model_conf=conf("svs"), pretrained=str(pretrained / "exp"), **changes
    )
    return [*command, "--token_list", str(pretrained / "grown" / "token_list.json")]


def test_under_zero_a_killed_adaptation_resumes_to_the_same_plain_weights(
    corpus, pretrained, tmp_path, monkeypatch
):
    run(adaptation(corpus, pretrained, tmp_path / "whole"))
    command = adaptation(corpus, pretrained, tmp_path / "killed")
    run_until(command, 9, monkeypatch)
    run(command)
    whole = weights(tmp_path / "whole" / "2epoch.pth")
    killed = weights(tmp_path / "killed" / "2epoch.pth")
    assert all(torch.equal(whole[name], killed[name]) for name in whole)

    old = weights(pretrained / "exp" / "1epoch.pth")
    n_old, task = len(old["corelm.emb.weight"]), Vocabulary.load(pretrained / "old").task("svs")
    rows = [i for i in range(n_old) if i != task]
    assert torch.equal(whole["corelm.lm_head.weight"][rows], old["corelm.lm_head.weight"][rows])
    assert len(whole["corelm.emb.weight"]) > n_old
    assert not any("lora" in name or "base_layer" in name for name in whole)
    projection = "corelm.decoders.model.layers.0.self_attn.q_proj.weight"
    assert not torch.equal(whole[projection], old[projection])
    # the average of the best, too, loads where there is no adapter
    exp = tmp_path / "whole"
    SpeechLMInference.load(exp / "config.yaml", exp / "valid.loss.ave.pth")


def test_rows_that_stay_do_not_decay(corpus, pretrained, tmp_path):
    decay = {**CONFIG["deepspeed_conf"], "weight_decay": 0.01}
    with pytest.raises(UserError, match="0 where old rows stay"):
        run(adaptation(corpus, pretrained, tmp_path / "exp", deepspeed_conf=decay))


def test_lora_needs_something_to_adapt(corpus, tmp_path):
    with pytest.raises(UserError, match="pretrained"):
        run(train_command(corpus, tmp_path / "exp", adaptation_conf={"method": "lora"}))
