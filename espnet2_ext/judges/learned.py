"""Judges that others trained, by name: what each gives, and where it is had from.

`conf/scoring.yaml` asks for them under ``judges``. What cannot be had here gives no numbers, and
the table says in one line what is missing.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from espnet2_ext.judges.whisper import WordRecognizer, load_whisper
from espnet2_ext.metrics.dnsmos import load_dnsmos
from espnet2_ext.metrics.mos import MosPredictor
from espnet2_ext.metrics.speaker import SpeakerModel
from espnet2_ext.metrics.speech_speakers import load_resemblyzer, load_wavlm

Model = SpeakerModel | MosPredictor | WordRecognizer


@dataclass(frozen=True)
class LearnedJudge:
    """A model that only measures.

    Args:
        metric: What it gives: a key of results.json.
        load: Source (empty: its default) and whether it may download -> the model, or the reason
            why there is none.
    """

    metric: str
    load: Callable[[str, bool], Model]


@dataclass
class LearnedModels:
    """Models that were asked for, by metric."""

    speakers: dict[str, SpeakerModel] = field(default_factory=dict)
    mos: dict[str, MosPredictor] = field(default_factory=dict)
    words: dict[str, WordRecognizer] = field(default_factory=dict)


def _absent(kind: Callable[[None, str], Model], what: str) -> Callable[[str, bool], Model]:
    """Of a judge that transformers has no architecture for: no model, and what it would take."""
    return lambda source, fetch: kind(None, f"not measured: {what}")


LEARNED: Mapping[str, LearnedJudge] = {
    "resemblyzer": LearnedJudge("secs", load_resemblyzer),
    "wavlm_sv": LearnedJudge("wavlm_sim", load_wavlm),
    "dnsmos": LearnedJudge("dnsmos", load_dnsmos),
    "whisper": LearnedJudge("whisper_per", load_whisper),
    "firered_asr": LearnedJudge("firered_per", _absent(
        WordRecognizer,
        "FireRedASR has no architecture in transformers; it needs the code of its repository",
    )),
    "songeval": LearnedJudge("songeval", _absent(
        MosPredictor,
        "SongEval has no architecture in transformers; it needs MuQ and the code of its repository",
    )),
}  # fmt: skip


def load_learned(asked: Mapping[str, str], fetch: bool = False) -> LearnedModels:
    """Load judges.

    Args:
        asked: Name, a key of `LEARNED`, to source: a folder, or ``owner/name[@revision]`` on the
            hub; empty for its default.
        fetch: May download.
    """
    models = LearnedModels()
    for name, source in asked.items():
        judge = LEARNED[name]
        model = judge.load(source or "", fetch)
        if isinstance(model, SpeakerModel):
            models.speakers[judge.metric] = model
        elif isinstance(model, MosPredictor):
            models.mos[judge.metric] = model
        else:
            models.words[judge.metric] = model
    return models
