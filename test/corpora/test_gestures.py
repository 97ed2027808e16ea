"""Gestures beside the notes: how often, and what they do to F0, voicing and sound."""

from dataclasses import replace

import numpy as np
import pytest

from espnet2_ext.audio.pitch import midi_to_hz
from espnet2_ext.corpora.mini.cast import draw_cast
from espnet2_ext.corpora.mini.config import CorpusConfig
from espnet2_ext.corpora.mini.draws import Draw
from espnet2_ext.corpora.mini.gestures import Kind, Span, covered, draw_gestures, ends_phrase
from espnet2_ext.corpora.mini.performance import perform
from espnet2_ext.corpora.mini.singers import Habits, roster
from espnet2_ext.corpora.mini.songs import compose_corpus
from espnet2_ext.metrics.expressiveness import note_pitches
from espnet2_ext.metrics.musical import musical_scores, sung_finals

FPS = 100


def takes(cast, minutes=8.0):
    """Takes of the songs of test, two of every phrase."""
    config = CorpusConfig(minutes=minutes, cast=cast, singers={"many": 16}.get(cast))
    for song in compose_corpus(config)["test"]:
        for index, phrase in enumerate(song.phrases):
            lengths = {n.lyric: 0.1 * (len(n.phones) - 1) for n in phrase.score.notes}
            for take in range(2):
                rng = np.random.default_rng([song.number, index, take])
                yield song.singer, perform(phrase.score, song.singer, lengths, rng)


def spans_of(take):
    return [Span(g.note, g.start_sec, g.onset_sec, g.end_sec) for g in take.groups]


def contours(take):
    """F0 of a take and of its written notes (T,) Hz, both where a final is sung."""
    f0 = take.f0_hz[1::2]  # at the middles of frames
    finals = sung_finals(take.score, len(f0), FPS)
    times = (np.arange(len(f0)) + 0.5) / FPS
    sung = (finals.note >= 0) & ~covered(take.gestures, times, tuple(Kind))
    notes = np.convolve(finals.midi, np.ones(5), "same")
    shares = np.convolve(finals.note >= 0, np.ones(5), "same")
    written = midi_to_hz(notes / np.maximum(shares, 1))
    return np.where(sung, f0, 0.0), np.where(finals.note >= 0, written, 0.0), finals


def written_against_sung(cast):
    scores, truth, spread = [], [], []
    for _, take in takes(cast):
        f0, written, finals = contours(take)
        scores.append(musical_scores(written, f0, finals))
        truth.append(musical_scores(f0, f0, finals))
        spread += [pitch.spread_cents for pitch in note_pitches(f0, finals, FPS)]
    return scores, truth, np.mean(spread)


def mean(scores, name):
    return np.mean([getattr(score, name) for score in scores])


def test_the_written_note_is_not_what_many_singers_sing():
    few, _, calm = written_against_sung("few")
    many, truth, alive = written_against_sung("many")
    assert mean(few, "f0_corr") > 0.99 > 0.985 > mean(many, "f0_corr") > 0.95
    assert mean(many, "cents_rmse") > 1.5 * mean(few, "cents_rmse")
    assert mean(many, "vuv_error") > 0.004
    assert alive > 2 * calm and alive > 20
    assert mean(truth, "note_acc") > 0.96  # they sing in tune all the same


def test_gestures_come_at_the_rates_of_the_singer():
    singer = replace(
        draw_cast(1)[0],
        habits=Habits(creak_rate=0.3, release_rate=0.5, aspirate_rate=0.4, glottal_rate=0.2),
    )
    ends = starts = syllables = 0
    counts = {"creak": 0, "release": 0, "aspirate": 0, "stop": 0}
    for _, take in takes("many"):
        rng = np.random.default_rng(ends)
        spans = spans_of(take)
        gestures = draw_gestures(take.score, spans, singer, Draw(rng, 1.0))
        ends += sum(ends_phrase(spans, index) for index in range(len(spans)))
        syllables += sum(
            len(phones) == 1 or phones[0] in "yw"
            for phones in (take.score.notes[span.note].phones for span in spans)
        )
        last = {span.end_sec for span in spans}
        for gesture in gestures:
            ended = gesture.end_sec in last
            if gesture.kind is Kind.STOP:
                counts["stop"] += 1
            elif ended:
                counts["creak" if gesture.kind is Kind.CREAK else "release"] += 1
            elif gesture.kind is Kind.WHISPER:
                counts["aspirate"] += 1
        starts += 1
    assert counts["creak"] / ends == pytest.approx(0.3, abs=0.12)
    assert counts["release"] / ends == pytest.approx(0.7 * 0.5, abs=0.12)
    assert counts["stop"] / syllables == pytest.approx(0.2, abs=0.1)
    assert 0 < counts["aspirate"] <= 2 * starts


def test_singers_of_the_small_cast_have_no_gestures():
    assert not any(take.gestures for _, take in takes("few", minutes=2))
    assert all(singer.timbre is None for singer in roster(8))


def test_creak_and_breath_are_heard_and_exported():
    pytest.importorskip("espeakng_loader")
    from espnet2_ext.corpora.mini.espeak import Espeak
    from espnet2_ext.corpora.mini.render import render
    from espnet2_ext.corpora.mini.voice import Voice

    fs = 16000
    singer = next(s for s in draw_cast(4) if s.variant == "m3")
    score = compose_corpus(CorpusConfig(minutes=2, cast="many", singers=8))["test"][0]
    score = score.phrases[0].score
    syllables = sorted({n.lyric for n in score.notes if n.phones and not n.slur and not n.is_rest})
    voice = Voice.build(singer.variant, 1.0, syllables, fs, Espeak())
    voice = voice.of_singer(singer.warp, singer.timbre, fs)
    lengths = {name: unit.initial_sec for name, unit in voice.units.items()}
    heard = {}
    for name, habits in {
        "plain": Habits(),
        "creak": Habits(creak_rate=1.0),
        "release": Habits(release_rate=1.0),
        "stop": Habits(glottal_rate=1.0),
    }.items():
        take = perform(score, replace(singer, habits=habits), lengths, np.random.default_rng(4))
        sung = render(take, voice, fs)
        assert np.isfinite(sung.wav).all() and np.abs(sung.wav).max() < 0.96
        assert np.abs(np.diff(sung.wav)).max() < 0.5  # no click
        heard[name] = take, sung
    plain = heard["plain"][1]

    def db(wav, gesture):
        inside = wav[int(gesture.start_sec * fs) : int(gesture.end_sec * fs)]
        return 10 * np.log10(np.mean(inside**2) + 1e-12)

    for name, kind in (
        ("creak", Kind.CREAK), ("release", Kind.WHISPER), ("stop", Kind.STOP),
    ):  # fmt: skip
        take, sung = heard[name]
        found = [gesture for gesture in take.gestures if gesture.kind is kind]
        assert found
        for gesture in found:
            frames = gesture.inside(np.arange(len(sung.f0_hz)) * 0.005)
            assert not sung.f0_hz[frames].any()
            if kind is not Kind.STOP:
                assert plain.f0_hz[frames].any()
                assert db(sung.wav, gesture) > -60
