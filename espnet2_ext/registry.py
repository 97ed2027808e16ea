"""The one list of what this package plugs into ESPnet2, and of the tasks it adds.

ESPnet's own command lines never import us, so `register` must run first:
``python -m espnet2_ext.bin.espnet espnet2.bin.svs_train ...`` does that.
"""

import importlib
from typing import Any, NamedTuple

from espnet2_ext.no_code import guard_omniio, guarded_kaldiio, know_states


class Plug(NamedTuple):
    """`name` in the mapping or ClassChoices `host` stands for the object `target`."""

    host: str
    name: str
    target: str


TASKS = {
    "speechlm": "espnet2_ext.tasks.speechlm:SpeechLMTask",
    "masked": "espnet2_ext.tasks.masked:MaskedTask",
    "mel_flow": "espnet2_ext.tasks.mel_flow:MelFlowTask",
    "latent_flow": "espnet2_ext.tasks.latent_flow:LatentFlowTask",
    "vocoder": "espnet2_ext.tasks.vocoder:VocoderTask",
    "mel_vae": "espnet2_ext.tasks.mel_vae:MelVAETask",
    "duration": "espnet2_ext.tasks.duration:DurationTask",
    "transcription": "espnet2_ext.tasks.transcription:TranscriptionTask",
}

PLUGS = (
    Plug(
        "espnet2.train.dataset:DATA_TYPES",
        "prompt_pool",
        "espnet2_ext.train.epoch_data:PROMPT_POOL",
    ),
    Plug(
        "espnet2.tasks.abs_task:__dict__",
        "load_pretrained_model",
        "espnet2_ext.train.init_param:init_param",
    ),
    Plug(
        "espnet2.tasks.abs_task:scheduler_classes",
        "holdlineardecay",
        "espnet2_ext.flow.schedule:HoldLinearDecayLR",
    ),
    Plug(
        "espnet2.tasks.abs_task:scheduler_classes",
        "warmupplateau",
        "espnet2_ext.train.plateau:WarmupPlateauLR",
    ),
    Plug(
        "espnet2.tasks.svs:feats_extractor_choices",
        "recipe_log_mel",
        "espnet2_ext.audio.espnet_feats:RecipeLogMel",
    ),
    Plug(
        "espnet2.tasks.svs:svs_choices",
        "score_regression",
        "espnet2_ext.baselines.score_regression:ScoreRegression",
    ),
    Plug(
        "espnet2.tasks.svs:svs_choices",
        "xiaoice_voiced",
        "espnet2_ext.baselines.xiaoice_voiced:XiaoiceSingVoiced",
    ),
    Plug(
        "espnet2.tasks.gan_svs:feats_extractor_choices",
        "recipe_log_mel",
        "espnet2_ext.audio.espnet_feats:RecipeLogMel",
    ),
)


def resolve(path: str) -> Any:
    """Import the object that ``module:name`` names."""
    module, _, name = path.partition(":")
    return getattr(importlib.import_module(module), name)


def get_task(name: str) -> type:
    """The task class of ours called `name`; raises KeyError for an unknown one."""
    return resolve(TASKS[name])


def register(*modules: str) -> None:
    """Add our classes to ESPnet's choices, and have it read without running code.

    Calling again changes nothing.

    Args:
        modules: Host modules to add to; all of `PLUGS` when none is named. Importing a host is
            slow, so a training command names the one it needs.
    """
    guarded_kaldiio()
    guard_omniio()
    know_states()
    for plug in PLUGS:
        if modules and plug.host.partition(":")[0] not in modules:
            continue
        host = resolve(plug.host)
        getattr(host, "classes", host)[plug.name] = resolve(plug.target)
