"""The loss of a step that sings, and the sequences that it is of."""

from dataclasses import replace

import pytest
import torch

from espnet2_ext.config_types import parse_config
from espnet2_ext.data.streams import DROPPED
from espnet2_ext.errors import UserError
from espnet2_ext.masked.config import MaskedConfig, PromptConfig
from espnet2_ext.masked.contrastive import frame_contrast, frame_labels, sequence_contrast
from espnet2_ext.masked.model import SEMANTIC
from espnet2_ext.masked.singing import (
    ABLATIONS,
    SVT_WAYS,
    PredictedCodes,
    SingingConfig,
    SingingLoss,
    Transcription,
)
from espnet2_ext.masked.views import ViewOptions, make_views
from espnet2_ext.score.frames import MIDI_COLUMN

from .singers import singer, sung_batch

LENGTHS, PROMPTS = [9, 12, 7, 10, 8, 11, 12, 6], [20, 6, 9, 14, 3, 12, 8, 18]
PARTS = {"token_loss", "acc", "scl", "scl_acc", "fcl", "svt", "loss"}


def made(seed: int = 0, prompts=PROMPTS, **options):
    batch, model = sung_batch(LENGTHS, prompts), singer()
    torch.manual_seed(seed)
    options = ViewOptions(**options)
    return batch, make_views(batch, 2, model.generator.config, options)


def listener(seed: int = 0) -> tuple[Transcription, list[PredictedCodes]]:
    """A transcription of one linear layer, and what it heard."""
    generator = torch.Generator().manual_seed(seed)
    table = torch.randn(12, 128, generator=generator)
    heard: list[PredictedCodes] = []

    def pitch(codes: PredictedCodes, way: str) -> torch.Tensor:
        heard.append(codes)
        distribution = codes.logits.softmax(-1)
        if way == "stop_gradient":
            return table[codes.logits.argmax(-1)]
        return distribution @ table

    def loss(logits, midi, notes, mask):
        return torch.nn.functional.cross_entropy(logits[mask], midi[mask])

    return Transcription(pitch, loss), heard


def step(config: SingingConfig | None = None, seed: int = 0, svt=None, **batch):
    model = singer()
    torch.manual_seed(seed)
    data = sung_batch(batch.get("lengths", LENGTHS), batch.get("prompts", PROMPTS))
    return model, SingingLoss(config or SingingConfig(), svt)(model, data)


def midi_of(views) -> torch.Tensor:
    return views.joined.of_target(views.joined.batch["score_frames"][..., MIDI_COLUMN])


def test_sequences_are_the_utterances_with_other_melodies_and_prompts():
    batch, views = made()
    codes = views.joined.of_target(views.joined.batch["codec_ssl"])
    midi, real = midi_of(views), views.joined.is_target
    true = batch["score_frames"][..., MIDI_COLUMN]
    assert len(codes) == 8 + 1 + 6 + 2
    for b, n in enumerate(LENGTHS):
        assert torch.equal(codes[b, :n], batch["codec_ssl"][b, :n])
        assert torch.equal(midi[b, :n], true[b, :n])
    one = int(views.melodies[0, 0])
    assert views.melodies.tolist() == [[one, 8], [15, 16]]
    assert views.frames[1].tolist() == list(range(9, 15))
    assert one not in views.frames[0] and len(set(views.frames[0].tolist())) == 6
    for a, b in [*views.melodies.T.tolist(), *views.frames.T.tolist()]:
        assert torch.equal(codes[a][real[a]], codes[b][real[b]])
        for name in ("t", "layer"):
            assert torch.equal(getattr(views.draw, name)[a], getattr(views.draw, name)[b])
        mask = views.joined.of_target(views.draw.mask) & real
        assert torch.equal(mask[a], mask[b]) and mask[a].any()
    for a, b in views.melodies.T.tolist():  # one melody after two prompts
        assert torch.equal(midi[a][real[a]], midi[b][real[b]])
    moved = (midi[views.melodies[0]] != midi[one])[:, real[one]]
    assert moved.any(1).tolist() == [False, True]
    for a, b in views.frames.T.tolist():
        changed = (midi[a] != midi[b]) & real[a]
        assert changed.any() and not (changed & (midi[a] == 0)).any()
        assert torch.equal(changed[real[a]], ~views.unmoved[b][real[a]])


def test_prompts_a_and_b_are_apart():
    batch = sung_batch(LENGTHS, [40] * 8)
    batch = batch.having(prompt=torch.arange(40)[None, :, None].expand(8, 40, 3))
    config = MaskedConfig(prompt=PromptConfig(dropout=0.0))
    sides = set()
    for seed in range(6):
        torch.manual_seed(seed)
        views = make_views(batch, 2, config, ViewOptions())
        codes = views.joined.batch["codec_ssl"]
        for a, b in [*views.melodies.T.tolist(), *views.frames.T.tolist()]:
            used = [set(codes[r, : views.joined.prompts[r], 0].tolist()) for r in (a, b)]
            assert used[0] and used[1] and not used[0] & used[1]
            sides.add(max(used[0]) < min(used[1]))
    assert sides == {True, False}


def test_without_prompts_of_others_first_frames_are_the_prompt():
    for options, prompts in (({}, None), ({"prompt_from": "utterance"}, PROMPTS)):
        batch, views = made(prompts=prompts, **options)
        codes, real = views.joined.batch["codec_ssl"], views.joined.target_lengths
        for b in range(8):
            target = batch["codec_ssl"][b, LENGTHS[b] - int(real[b]) : LENGTHS[b]]
            assert torch.equal(views.joined.of_target(codes)[b, : int(real[b])], target)
        first = torch.tensor(LENGTHS) - real[:8]
        assert first.any() and (views.joined.prompts[:8] <= first).all()
        own = views.joined.prompts[:8] > 0
        assert (codes[:8][own][:, 0] == batch["codec_ssl"][own][:, 0]).all(-1).any()


def test_where_prompt_or_prefix_is_left_out_all_sequences_of_an_utterance_lack_it():
    for name, options in (("prompt", {}), ("nothing_dropout", {"nothing_dropout": 1.0})):
        config = singer(**options).generator.config
        if name == "prompt":
            config = replace(config, prompt=replace(config.prompt, dropout=1.0))
        views = make_views(sung_batch(LENGTHS, PROMPTS), 2, config, ViewOptions())
        assert not views.joined.prompts.any()
        assert views.draw.no_prefix.all() == (name == "nothing_dropout")


def test_the_total_is_the_weighted_sum_and_each_part_can_be_off():
    svt, _ = listener()
    whole = step(svt=svt)[1]
    s = whole.statistics
    assert s.keys() == PARTS
    weighted = s["token_loss"] + 0.1 * (0.5 * s["scl"] + s["fcl"]) + 0.2 * s["svt"]
    torch.testing.assert_close(s["loss"], weighted)
    torch.testing.assert_close(whole.loss.detach(), weighted)
    gone = {
        "no_cl": {"scl", "scl_acc", "fcl"}, "no_scl": {"scl", "scl_acc"}, "no_fcl": {"fcl"},
        "no_svt": {"svt"}, "no_cl_svt": {"scl", "scl_acc", "fcl", "svt"},
    }  # fmt: skip
    assert ABLATIONS.keys() == gone.keys()
    for name, options in ABLATIONS.items():
        config = parse_config(SingingConfig, options, "yaml")
        assert step(config, svt=svt)[1].statistics.keys() == PARTS - gone[name], name


def test_alone_the_token_loss_is_the_generators():
    config = SingingConfig(**ABLATIONS["no_cl_svt"])
    model, found = step(config)
    torch.manual_seed(0)
    batch = sung_batch(LENGTHS, PROMPTS)
    views = make_views(batch, 2, model.generator.config, config.views)
    assert len(views.joined.prompts) == 8
    expected = model.loss(views.joined.batch, views.draw)
    torch.testing.assert_close(found.loss, expected.loss)


@pytest.mark.parametrize("how", ["leave_out", "unmoved", "all"])
def test_codes_teach_where_the_melody_is_the_recordings(how):
    config = SingingConfig(moved_targets=how)
    model, found = step(config)
    torch.manual_seed(0)
    views = make_views(sung_batch(LENGTHS, PROMPTS), 2, model.generator.config, config.views)
    joined, tokens = views.joined, model.codes(views.joined.batch)
    hidden = model.generator.hidden(
        tokens, joined.batch.lengths("codec_ssl"), model.steering(joined.batch), views.draw
    )
    log_prob = model.generator.logits(hidden, views.draw.layer).log_softmax(-1)
    total = count = 0
    for r, frame in views.draw.mask.nonzero().tolist():
        place = frame - int(joined.prompts[r])
        taught = {"leave_out": r < 8, "unmoved": views.unmoved[r, place], "all": True}[how]
        if taught:
            code = tokens[r, frame, views.draw.layer[r]]
            total, count = total - log_prob[r, frame, code], count + 1
    torch.testing.assert_close(found.statistics["token_loss"], (total / count).detach())


@pytest.mark.parametrize(
    "options",
    [{}, {"fcl_reduction": "sum", "pooled": "masked", "normalize": False, "temperature": 2.0}],
)
def test_contrasts_are_of_both_views_states_frame_by_frame(options):
    """From each sequence by itself: its states, cut behind its prompt, and its own melody."""
    config = SingingConfig(alpha=0.3, **options)
    model, found = step(config)
    torch.manual_seed(0)
    batch = sung_batch(LENGTHS, PROMPTS)
    views = make_views(batch, 2, model.generator.config, config.views)
    joined, states, score, seen = views.joined, [], [], []
    for r, n in enumerate(joined.batch.lengths("codec_ssl").tolist()):
        one, begin = joined.rows(torch.tensor([r])).batch, int(joined.prompts[r])
        drawn = views.draw.rows(torch.tensor([r]))
        lengths, steering = one.lengths("codec_ssl"), model.steering(one)
        hidden = model.generator.hidden(model.codes(one), lengths, steering, drawn)
        states.append(hidden[0, begin:n].detach())
        score.append(one["score_frames"][0, begin:n, MIDI_COLUMN])
        pooled = drawn.mask[0, begin:n]
        seen.append(pooled if config.pooled == "masked" else torch.ones_like(pooled))
    ga, gb = (
        torch.stack([states[r][seen[r]].mean(0) for r in rows]) for rows in views.melodies.tolist()
    )
    expected = sequence_contrast(ga, gb, config.temperature, config.normalize)
    torch.testing.assert_close(found.statistics["scl"], expected)
    total = count = 0
    for a, b in views.frames.T.tolist():
        codes = batch["codec_ssl"][a, : LENGTHS[a], 0][None]
        valid = torch.ones_like(codes, dtype=torch.bool)
        labels = frame_labels(score[a][None], score[b][None], codes, valid, 0.3)
        total += float(frame_contrast(states[a][None], states[b][None], labels, "sum"))
        count += int((labels >= 0).sum())
    expected = total / (count if config.fcl_reduction == "mean" else 6)
    assert float(found.statistics["fcl"]) == pytest.approx(expected, rel=1e-4)


def test_the_end_of_a_target_may_be_seen():
    prompt = PromptConfig(around=1.0, dropout=0.0)
    views = make_views(sung_batch(LENGTHS, PROMPTS), 2, MaskedConfig(prompt=prompt), ViewOptions())
    joined = views.joined
    end = joined.of_target(views.draw.prompt) & joined.is_target
    assert end[:8].any(1).all() and not end[:, 0].any()
    assert (end.long().diff(dim=1) >= 0)[joined.is_target[:, 1:]].all()
    assert not (views.draw.mask & views.draw.prompt).any()
    assert (views.draw.prompt | ~joined.is_prompt).all()


def test_padding_moves_no_loss():
    model, svt = singer(), listener()[0]
    batch = sung_batch(LENGTHS, PROMPTS)
    torch.manual_seed(0)
    found = SingingLoss(SingingConfig(), svt)(model, batch)
    noisy = {}
    for name in ("codec_ssl", "score_frames", "prompt"):
        gap = ~batch.mask(name)[..., None]
        noisy[name] = batch[name] + gap * torch.randint(1, 5, batch[name].shape)
    torch.manual_seed(0)
    again = SingingLoss(SingingConfig(), svt)(model, batch.having(**noisy))
    for name in PARTS:
        torch.testing.assert_close(found.statistics[name], again.statistics[name])


@pytest.mark.parametrize("options", [{}, {"pooled": "masked", "same_draw": False}])
def test_finite_gradients_reach_every_parameter(options):
    model, found = step(SingingConfig(**options), svt=listener()[0])
    found.loss.backward()
    for name, parameter in model.named_parameters():
        if "null" in name:
            continue
        assert parameter.grad is not None and torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.any(), name


@pytest.mark.parametrize("way", SVT_WAYS)
def test_the_transcription_hears_targets_whose_finer_layers_are_unknown(way):
    svt, heard = listener()
    config = SingingConfig(svt_way=way, cl=0.0)
    model, found = step(config, svt=svt)
    (codes,) = heard
    batch = sung_batch(LENGTHS, PROMPTS)
    assert codes.lengths.tolist() == LENGTHS and codes.logits.shape == (8, 12, 12)
    for b, n in enumerate(LENGTHS):
        layer = int(codes.layer[b])
        true = batch["codec_ssl"][b, :n, 1:]
        assert torch.equal(codes.codes[b, :n, : layer + 1], true[:, : layer + 1])
        assert (codes.codes[b, :, layer + 1 :] == DROPPED).all()
        assert codes.mask[b, :n].any() and not codes.mask[b, n:].any()
    mask_emb = model.generator.mask_emb.weight
    alone = torch.autograd.grad(found.loss - found.predicted.loss, mask_emb)[0]
    assert (way == "stop_gradient") == (float(alone.abs().max()) < 1e-7)


def test_16_bits_change_little():
    expected = step(svt=listener()[0])[1].statistics
    with torch.autocast("cpu", torch.bfloat16):
        model, found = step(svt=listener()[0])
    found.loss.backward()
    assert all(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None)
    for name in PARTS - {"acc", "scl_acc"}:
        assert float(found.statistics[name]) == pytest.approx(float(expected[name]), rel=0.05), name


def test_a_batch_of_one_and_one_without_notes_are_sung():
    model = singer()
    for lengths, silent in (([6], False), ([6, 5], True)):
        batch = sung_batch(lengths, [8] * len(lengths))
        if silent:
            score = batch["score_frames"].clone()
            score[..., MIDI_COLUMN] = 0
            batch = batch.having(score_frames=score)
        found = SingingLoss(SingingConfig())(model, batch)
        assert torch.isfinite(found.loss) and found.statistics.keys() == PARTS - {"svt"}
        if silent:
            assert found.statistics["scl"] == 0 and found.statistics["fcl"] == 0


def test_a_few_steps_bring_melodies_together_and_apart():
    model, loss = singer(), SingingLoss(SingingConfig(cl=1.0))
    batch = sung_batch([10, 9, 12, 8], [16, 16, 12, 12])
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    torch.manual_seed(0)
    found = []
    for _ in range(30):
        sung = loss(model, batch)
        optimizer.zero_grad()
        sung.loss.backward()
        optimizer.step()
        found.append((float(sung.statistics["scl"]), float(sung.statistics["fcl"])))
    first, last = (torch.tensor(found[s]).mean(0) for s in (slice(0, 5), slice(-5, None)))
    assert (last < 0.7 * first).all(), (first, last)


def test_mistakes_are_named():
    for options, message in (
        ({"svt_way": "magic"}, "svt_way 'magic' is none of stop_gradient"),
        ({"alpha": 2.0}, "alpha 2.0 is not 0 to 1"),
        ({"temperature": 0.0}, "temperature 0.0 is not above 0"),
        ({"fcl": -1.0}, "fcl -1.0 is negative"),
        ({"most_semitones": 0}, "most_semitones 0 is not 1 to 60"),
        ({"beta": 1}, "unknown key 'beta'"),
    ):
        with pytest.raises(UserError, match=message):
            parse_config(SingingConfig, options, "yaml")
    model = singer()
    with pytest.raises(UserError, match="score_frames: no such stream"):
        SingingLoss(SingingConfig())(model, sung_batch([5]).having(score_frames=None))
    model.target = SEMANTIC
    with pytest.raises(ValueError, match="no melody to sing"):
        SingingLoss(SingingConfig())(model, sung_batch([5]))
