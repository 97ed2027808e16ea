"""The attribute judge: what it hears, what it is taught, and what is asked of it."""

import numpy as np
import pytest
import torch

from espnet2_ext.errors import UserError
from espnet2_ext.evaluation.measures import EXTRA_METRICS, MEASURES
from espnet2_ext.evaluation.rendition import FeatureCache, Judges, Rendition, Task
from espnet2_ext.judges.attributes import (
    AttributeConfig,
    AttributeJudge,
    AttributeNetwork,
    known_values,
    listen,
    rightness,
)
from espnet2_ext.judges.fitting_attributes import (
    AttributeFitConfig,
    attribute_accuracy,
    fit_attributes,
    values_of,
)

FS = 16000
TRUNK = {"channels": 16, "n_blocks": 1, "kernel": 3}
SONG = {"kind": "song", "gender": "male", "instruments": ["piano", "bass"],
        "rhythm": {"bpm": 100, "word": "moderate"}}  # fmt: skip
TALK = {"kind": "dialogue", "speakers": [{"gender": "male"}, {"gender": "male"}]}


def tone(hz: float, bpm: float, seed: int) -> np.ndarray:
    """Strokes of a tone at a tempo."""
    rng = np.random.default_rng(seed)
    time = np.arange(4 * FS) / FS
    beat = (time + rng.uniform(0, 1)) % (60 / bpm)
    wav = np.sin(2 * np.pi * hz * rng.uniform(0.97, 1.03) * time) * np.exp(-8 * beat)
    return wav + 0.003 * rng.standard_normal(len(time))


def silent_f0(wav, fs, ceiling=0.0):
    return np.zeros(len(wav) * 100 // fs)


@pytest.fixture(scope="module")
def corpus():
    heard, described = [], []
    for k in range(24):
        male, fast = k % 2 == 0, k % 4 < 2
        bpm = 120 if fast else 80
        heard.append(listen(tone(200 if male else 2000, bpm, k), FS, silent_f0))
        described.append(
            {"kind": "song", "gender": "male" if male else "female", "rhythm": {"bpm": bpm}}
        )
    return heard, described


def test_it_learns_a_timbre_and_a_tempo_and_comes_back_from_the_disk(corpus, tmp_path):
    heard, described = corpus
    config = AttributeFitConfig(steps=60, batch_size=8, crop_frames=150, seed=0)
    judge = fit_attributes(heard[:16], described[:16], config, TRUNK)
    unseen = heard[16:], described[16:]
    assert attribute_accuracy(judge, *unseen) == {"gender": 1.0, "rhythm": 1.0}
    judge.save(tmp_path)
    again = AttributeJudge.load(tmp_path)
    assert attribute_accuracy(again, *unseen) == {"gender": 1.0, "rhythm": 1.0}
    swapped = [{**d, "gender": "male" if d["gender"] == "female" else "female"} for d in unseen[1]]
    assert attribute_accuracy(again, unseen[0], swapped)["gender"] == 0
    (tmp_path / "attribute_judge.safetensors").unlink()
    with pytest.raises(UserError):
        AttributeJudge.load(tmp_path)


def test_padding_reaches_nothing(corpus):
    torch.manual_seed(0)
    config = AttributeConfig(values_of(corpus[1]), TRUNK)
    network = AttributeNetwork(config).eval()
    one = corpus[0][0]
    frames, level = one.frames[None], torch.tensor([one.level])
    padded = torch.nn.functional.pad(frames, (0, 0, 0, 30), value=5.0)
    lengths = torch.tensor([frames.size(1)])
    alone = network(frames, lengths, level, one.onsets[None])
    beside = network(padded, lengths, level, one.onsets[None])
    for name, logits in alone.items():
        torch.testing.assert_close(logits, beside[name])


def test_what_is_asked_depends_on_what_an_utterance_is():
    known = known_values(SONG)
    assert known == {"gender": "male", "instruments": {"piano", "bass"}, "rhythm": 100.0}
    assert known_values(TALK) == {"dialogue": "dialogue"}
    assert known_values({"kind": "speech", "emotion": "sad"}) == {
        "dialogue": "speech", "emotion": "sad"
    }  # fmt: skip
    assert known_values({}) == {}


def test_a_tempo_within_eight_percent_is_right_and_instruments_count_one_by_one():
    bins = ["90", "100", "109"]
    best = torch.eye(3)
    assert [rightness("rhythm", best[k], bins, 101.0) for k in range(3)] == [0, 1, 1]
    logits = torch.tensor([1.0, -1.0, 2.0])
    names = ["bass", "drums", "piano"]
    assert rightness("instruments", logits, names, {"bass", "piano"}) == 1
    assert rightness("instruments", logits, names, {"piano"}) == pytest.approx(2 / 3)
    assert rightness("genre", logits, names, "piano") == 1


def test_measures_are_of_what_is_described(corpus):
    heard, described = corpus
    config = AttributeFitConfig(steps=2, batch_size=2, crop_frames=50)
    judge = fit_attributes(heard[:4], described[:4], config, TRUNK)
    judges = Judges(silent_f0, None, None, None, {}, "", attributes=judge)
    by_name = {measure.name: measure for measure in MEASURES}

    def rendition(about):
        task = Task("u", "hyp", "ref", None, "s", False, about)
        made = Rendition(task, judges, FeatureCache("none"))
        made.__dict__ |= {"hyp": tone(200, 100, 1), "_recording": (tone(200, 100, 1), FS)}
        return made

    song = rendition(SONG)
    assert by_name["attributes"].applies(song)
    assert set(by_name["attributes"].compute(song)) == {"acc_gender", "acc_rhythm"}
    assert not by_name["attributes"].applies(rendition({}))
    metrics = {metric.name: metric for metric in EXTRA_METRICS}
    scores = {"phone_errors": 2, "n_phones": 8, **by_name["kind"].compute(song)}
    assert metrics["per_song"].value(scores) == 2 and metrics["per_speech"].value(scores) is None
