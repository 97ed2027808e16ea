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
    Heard,
    decide,
    known_values,
    listen,
    read_attributes,
    rightness,
)
from espnet2_ext.judges.fitting_attributes import (
    AttributeFitConfig,
    AttributeQuality,
    attribute_quality,
    fit_attributes,
    load_heard,
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


@pytest.fixture(scope="module")
def judge(corpus):
    heard, described = corpus
    config = AttributeFitConfig(steps=60, batch_size=8, crop_frames=150, seed=0)
    return fit_attributes(heard[:16], described[:16], config, TRUNK)


def test_it_learns_a_timbre_and_a_tempo_and_comes_back_from_the_disk(corpus, judge, tmp_path):
    heard, described = corpus
    unseen = heard[16:], described[16:]
    right = AttributeQuality(1.0, 8, {})
    assert attribute_quality(judge, *unseen) == {"gender": right, "rhythm": right}
    judge.save(tmp_path)
    again = AttributeJudge.load(tmp_path)
    assert attribute_quality(again, *unseen) == {"gender": right, "rhythm": right}


def test_networks_that_were_taught_nothing_guess(corpus, judge):
    """One may part two tones by luck, and be right or wrong about all of them."""
    found = {"gender": [], "rhythm": []}
    for seed in range(12):
        torch.manual_seed(seed)
        untaught = AttributeJudge(judge.config, AttributeNetwork(judge.config))
        for name, of in attribute_quality(untaught, corpus[0][16:], corpus[1][16:]).items():
            found[name].append(of.accuracy)
    assert np.mean(found["gender"]) < 0.8 and np.mean(found["rhythm"]) < 0.3


def test_mistakes_are_named(corpus, judge):
    heard, described = corpus
    wrong = [
        {"kind": "song", "gender": "female" if d["gender"] == "male" else "male",
         "rhythm": {"bpm": 2 * d["rhythm"]["bpm"]}, "age": "unheard of"}
        for d in described[16:]
    ]  # fmt: skip
    assert attribute_quality(judge, heard[16:], wrong) == {
        "gender": AttributeQuality(0.0, 8, {"female as male": 4, "male as female": 4}),
        "rhythm": AttributeQuality(0.0, 8, {"0.5 times": 8}),
    }
    unknown = judge.right(heard[0], {"kind": "song", "gender": "a child's", "age": "old"})
    assert unknown == {}


def test_instruments_missed_and_heard_wrongly_are_counted(corpus):
    config = AttributeConfig({"instruments": ["bass", "piano"]}, TRUNK)
    judge = AttributeJudge(config, AttributeNetwork(config))
    with torch.no_grad():
        judge.network.heads["instruments"].weight.zero_()
        judge.network.heads["instruments"].bias.copy_(torch.tensor([1.0, -1.0]))
    described = [{"kind": "song", "instruments": [name]} for name in ("bass", "piano")]
    (quality,) = attribute_quality(judge, corpus[0][:2], described).values()
    assert quality == AttributeQuality(0.5, 2, {"piano missed": 1, "bass heard wrongly": 1})


@pytest.mark.parametrize("change", ["no weights", "another value", "another key"])
def test_a_judge_is_loaded_strictly(tmp_path, change):
    config = AttributeConfig({"gender": ["female", "male"]}, TRUNK)
    AttributeJudge(config, AttributeNetwork(config)).save(tmp_path)
    AttributeJudge.load(tmp_path)
    path = tmp_path / "attribute_judge.yaml"
    if change == "no weights":
        (tmp_path / "attribute_judge.safetensors").unlink()
    elif change == "another value":
        path.write_text(path.read_text().replace("- male", "- male\n  - both"))
    else:
        path.write_text(path.read_text() + "more: 1\n")
    with pytest.raises(UserError):
        AttributeJudge.load(tmp_path)


def test_who_is_described_is_recorded(tmp_path):
    (tmp_path / "wav.scp").write_text("a a.wav\n")
    (tmp_path / "attributes.jsonl").write_text('{"utt": "b", "kind": "song"}\n')
    with pytest.raises(UserError, match=r"wav.scp.*'b'"):
        load_heard(tmp_path, silent_f0)


@pytest.mark.parametrize(
    "attribute", ['"rhythm": {"bpm": "fast"}', '"rhythm": {"bpm": 0}', '"instruments": [1]']
)
def test_a_description_that_cannot_be_is_refused(tmp_path, attribute):
    (tmp_path / "attributes.jsonl").write_text('{"utt": "a", ' + attribute + "}\n")
    with pytest.raises(UserError, match=r"attributes.jsonl: a"):
        read_attributes(tmp_path)


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
    assert known_values({"kind": "song", "rhythm": {"word": "slow"}}) == {}


def test_a_tempo_within_eight_percent_is_right_and_instruments_count_one_by_one():
    bins = ["90", "100", "109"]
    best = torch.eye(3)
    tempi = [decide("rhythm", best[k], bins) for k in range(3)]
    assert [rightness("rhythm", bpm, 101.0, bins) for bpm in tempi] == [0, 1, 1]
    logits = torch.tensor([1.0, -1.0, 2.0])
    names = ["bass", "drums", "piano"]
    playing = decide("instruments", logits, names)
    assert rightness("instruments", playing, {"bass", "piano"}, names) == 1
    assert rightness("instruments", playing, {"piano"}, names) == pytest.approx(2 / 3)
    assert rightness("genre", decide("genre", logits, names), "piano", names) == 1


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
    assert metrics["song_per"].value(scores) == 2 and metrics["speech_per"].value(scores) is None


def test_seconds_are_embedded_and_what_is_shorter_is_embedded_whole(corpus):
    config = AttributeConfig({"gender": ("female", "male")}, TRUNK)
    judge = AttributeJudge(config, AttributeNetwork(config))
    heard = corpus[0][0]
    assert judge.embed(heard).shape == (7, 16)  # of four seconds, every half of one
    assert judge.embed(Heard(heard.frames[:30], heard.level, heard.onsets)).shape == (1, 16)
