import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from espnet2_ext.checkpoint import save_safetensors
from espnet2_ext.duration.data import phone_ids
from espnet2_ext.duration.evaluate import compare
from espnet2_ext.duration.features import note_features, note_targets
from espnet2_ext.duration.inference import DurationInference, TimingSampling, build_net
from espnet2_ext.duration.model import DurationModel
from espnet2_ext.duration.timing import MIN_PHONE_SEC, time_phones, with_onsets
from espnet2_ext.errors import UserError
from espnet2_ext.files import write_json
from espnet2_ext.score.formats.opencpop import parse_line
from espnet2_ext.score.frames import expand
from espnet2_ext.score.music_score import MusicScore, Note
from espnet2_ext.score.phones import PHONES

LINE = "u|我|SP w o o|rest C4 C4 D4|0.5 1 1 .5|0.4 0.15 0.95 .5|0 0 0 1"
KINDS = [
    Note(0, 1, 0, "", ("SP",)),
    Note(0, 1, 60, "wo", ("w", "o")),
    Note(0, 1, 62, "a", ("a",)),
    Note(0, 1, 64, "—", ("o",), slur=True),
]


@st.composite
def scores(draw):
    notes, end = [], 0.0
    for kind, length in draw(
        st.lists(st.tuples(st.sampled_from(KINDS), st.floats(0.03, 2)), min_size=1, max_size=12)
    ):
        if kind.slur and (not notes or notes[-1].is_rest):
            kind = KINDS[2]
        notes.append(Note(end, end + length, kind.midi, kind.lyric, kind.phones, kind.slur))
        end += length
    return MusicScore(tuple(notes))


@given(scores(), st.data())
def test_phones_fill_the_phrase_whatever_is_predicted(score, data):
    n = len(score.notes)
    numbers = st.lists(st.floats(-3, 3), min_size=n, max_size=n)
    timed = time_phones(score, data.draw(numbers), [abs(x) for x in data.draw(numbers)])
    assert timed.notes == score.notes
    assert [p.phone for p in timed.phones] == [p for note in score.notes for p in note.phones]
    assert timed.phones[0].start_sec == 0
    assert timed.phones[-1].end_sec == score.notes[-1].end_sec
    assert all(
        a.end_sec == b.start_sec for a, b in zip(timed.phones, timed.phones[1:], strict=False)
    )
    assert all(p.end_sec >= p.start_sec for p in timed.phones)
    total = sum(p.end_sec - p.start_sec for p in timed.phones)
    assert total == pytest.approx(score.duration_sec, abs=1e-9)
    if score.duration_sec >= len(timed.phones) * MIN_PHONE_SEC:
        assert min(p.end_sec - p.start_sec for p in timed.phones) >= MIN_PHONE_SEC - 1e-9


def test_consonant_leads_the_beat_and_vowel_falls_on_it():
    timed = time_phones(parse_line(LINE, "t")[1], [0, 0, 0], [0, 0.1, 0])
    assert [round(p.start_sec, 6) for p in timed.phones] == [0, 0.4, 0.5, 1.5]


def english(*rows):
    """(length in s, lyric, phones) after each other, all on one pitch."""
    notes, now = [], 0.0
    for length, lyric, phones in rows:
        midi = 60 if lyric else 0
        notes.append(Note(now, now + length, midi, lyric, tuple(phones.split()), lyric == "—"))
        now += length
    return MusicScore(tuple(notes), language="en")


def test_clusters_lead_the_beat_and_codas_end_where_the_next_syllable_begins():
    score = english((1, "", "SP"), (1, "stars", "S T AA R Z"), (1, "shine", "SH AY N"))
    timed = time_phones(score, [0, 0, 0], [0, 0.2, 0.1])
    expected = [("SP", 0), ("S", 0.8), ("T", 0.9), ("AA", 1), ("R", 1.78), ("Z", 1.84)]
    expected += [("SH", 1.9), ("AY", 2), ("N", 2.94)]
    assert [(p.phone, round(p.start_sec, 6)) for p in timed.phones] == expected
    rows = note_features(score, phone_ids([phone for phone, _ in expected]))
    assert rows[:, :2].tolist() == [[0, 1], [2, 4], [7, 8]]
    assert note_targets(timed)[:, 1].tolist() == pytest.approx([0, 0.2, 0.1])


def test_what_falls_on_the_beat():
    score = parse_line(LINE, "t")[1]

    def starts(convention):
        timed = with_onsets(score, convention, "song")
        assert timed.notes == score.notes
        return [round(p.start_sec, 6) for p in timed.phones]

    assert with_onsets(score, "corpus") is score
    assert starts("corpus") == [0, 0.4, 0.55, 1.5]
    assert starts("vowel") == [0, 0.35, 0.5, 1.5]
    assert starts("consonant") == [0, 0.5, 0.65, 1.5]
    with pytest.raises(UserError, match="song: onset: 'beat' .expected corpus, vowel, consonant"):
        starts("beat")


def test_label_is_reproduced_from_its_own_targets():
    score = parse_line(LINE, "t")[1]
    onset, initial = note_targets(score).T
    timed = time_phones(score, onset.tolist(), initial.tolist())
    for ours, label in zip(timed.phones, score.phones, strict=True):
        assert ours.start_sec == pytest.approx(label.start_sec, abs=1e-6)
    error = compare([timed], [score])
    assert error.start_ms < 1e-3 and "initials by 0.0 ms" in str(error)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("duration")
    options = {"model_conf": {"channels": 16}, "phone_list": list(PHONES)}
    write_json(folder / "config.yaml", options)
    net = build_net(options, "test")
    save_safetensors({f"net.{k}": v for k, v in net.state_dict().items()}, folder / "m.safetensors")
    return folder


@pytest.fixture(scope="module")
def duration(model):
    return DurationInference.load(model / "config.yaml", model / "m.safetensors")


@settings(max_examples=20)
@given(score=scores())
def test_inference_is_deterministic_and_expands(duration, score):
    timed = duration.generate(score)
    assert duration.generate(timed) == timed
    frames = expand(timed, phone_ids(), 50)
    assert len(frames) == int(score.duration_sec * 50 + 0.5 + 1e-6)
    if score.duration_sec > 2 * len(timed.phones) / 50:
        assert set(frames.phone_index) == set(range(len(timed.phones)))


def test_predicted_spread_is_that_of_the_takes_and_leaves_the_median_alone():
    """Many takes of one score: the samples' standard deviations are the takes' own."""
    score = parse_line(LINE, "t")[1]
    options = {"model_conf": {"channels": 16, "dropout": 0.0, "predict_std": True}}
    options["phone_list"] = list(PHONES)
    torch.manual_seed(0)
    model = DurationModel(build_net(options, "test"))
    takes, std_sec, std_log = 256, 0.02, 0.3
    notes = torch.from_numpy(note_features(score, phone_ids())).expand(takes, -1, -1)
    lengths = torch.full((takes,), 3)
    onset = std_sec * torch.randn(takes, 3)
    initial = 0.1 * (std_log * torch.randn(takes, 3)).exp()
    targets = torch.stack([onset, initial], -1)
    loss = model(notes, lengths, targets, lengths)[0]
    apart = torch.autograd.grad(loss, list(model.net.convs.parameters()), retain_graph=True)
    model.net.log_std.requires_grad_(False)
    loss = model(notes, lengths, targets, lengths)[0]
    for one, other in zip(
        apart, torch.autograd.grad(loss, list(model.net.convs.parameters())), strict=True
    ):
        torch.testing.assert_close(one, other)
    model.net.log_std.requires_grad_(True)
    optim = torch.optim.Adam(model.parameters(), 0.01)
    for _ in range(300):
        optim.zero_grad()
        model(notes, lengths, targets, lengths)[0].backward()
        optim.step()
    duration = DurationInference(model.net, list(PHONES))
    drawn = [duration.generate(score, sampling=TimingSampling(1.0, seed)) for seed in range(300)]
    targets = torch.stack([torch.from_numpy(note_targets(timed)) for timed in drawn])
    assert targets[:, 1, 0].std().item() == pytest.approx(std_sec, rel=0.15)
    assert targets[:, 1, 1].log().std().item() == pytest.approx(std_log, rel=0.15)
    assert duration.generate(score, sampling=TimingSampling(1.0, 7)) == drawn[7]
    half = [duration.generate(score, sampling=TimingSampling(0.5, seed)) for seed in range(300)]
    halved = torch.stack([torch.from_numpy(note_targets(timed)) for timed in half])
    assert halved[:, 1, 0].std().item() == pytest.approx(std_sec / 2, rel=0.15)
    assert duration.generate(score) == duration.generate(score, sampling=TimingSampling(0.0, 3))


def test_padding_changes_nothing(duration):
    notes = torch.from_numpy(note_features(parse_line(LINE, "t")[1], phone_ids()))
    padded = torch.cat([notes, torch.full((4, 6), 7.0)])
    alone = duration.net(notes[None], torch.tensor([3]))
    batched = duration.net(torch.stack([padded, padded]), torch.tensor([3, 7]))
    torch.testing.assert_close(batched[:1, :3], alone)


def test_mistakes(duration, model, tmp_path):
    for phones, message in [((), "no phones for 'xyz'"), (("q", "qq"), "unknown phone 'qq'")]:
        with pytest.raises(UserError, match=f"song: note 1.*{message}"):
            duration.generate(MusicScore((Note(0, 1, 60, "xyz", phones),)), "song")
    with pytest.raises(UserError, match="song: timing temperature 1 .expected 0, or a phone-dur"):
        duration.generate(parse_line(LINE, "t")[1], "song", TimingSampling(1.0))
    write_json(tmp_path / "c.yaml", {"model_conf": {"chanels": 16}, "phone_list": ["a"]})
    with pytest.raises(UserError, match="unknown key 'chanels'"):
        DurationInference.load(tmp_path / "c.yaml", model / "m.safetensors")
    write_json(tmp_path / "c.yaml", {"model_conf": {"channels": 8}, "phone_list": list(PHONES)})
    with pytest.raises(UserError, match="shape"):
        DurationInference.load(tmp_path / "c.yaml", model / "m.safetensors")
    score = parse_line(LINE, "t")[1]
    wrong = MusicScore((*score.notes[:1], Note(0.5, 1.5, 60, "bo", ("b", "o")), score.notes[2]))
    with pytest.raises(UserError, match="note 2: label has 'w o'"):
        note_targets(MusicScore(wrong.notes, score.phones))
