"""Checks that read samples: the audio by itself, and the audio against its label."""

import functools
import itertools
from collections.abc import Iterator

import numpy as np

from espnet2_ext.audio.band import Band
from espnet2_ext.audio.channels import DIFFERENT_EXPECTED, Channels, mix
from espnet2_ext.audio.f0 import extract_f0
from espnet2_ext.audio.pitch import OCTAVE, hz_to_midi
from espnet2_ext.audio.wav import check_samples
from espnet2_ext.lint.findings import Findings
from espnet2_ext.lint.limits import Limits
from espnet2_ext.lint.onset import first_onset
from espnet2_ext.lint.sound import FRAME_SEC, Sound
from espnet2_ext.score.music_score import MusicScore, Note

Span = tuple[float, float]
CONTEXT_SEC = 0.1
"""Audio around a note that WORLD is given with it."""
SAME_SEMITONES = 2.0


def semitones_off(f0: np.ndarray, note: Note) -> np.ndarray:
    """How far F0 (T,) in Hz is above a note."""
    return hz_to_midi(f0) - note.midi


def check_audio(
    findings: Findings, place: str, wav: np.ndarray, fs: int, score: MusicScore | None,
    limits: Limits,
) -> None:  # fmt: skip
    """Check samples (N, channels) in [-1, 1] of an utterance.

    Args:
        findings: Takes what is found.
        place: Names the audio.
        wav: Samples (N, channels).
        fs: Their rate (Hz).
        score: With performed phones; None for speech, or where the label is unusable.
        limits: Thresholds.
    """
    mixed = findings.take("audio_file", _one_channel, wav, fs, place)
    if mixed is None:
        return
    wav, channels = mixed
    if channels.unrelated:
        findings.add("channels", place, channels.different, DIFFERENT_EXPECTED, badness=2.0)
    if np.abs(wav).max(initial=0.0) < limits.silent_peak:
        findings.add("silent", place, "silence", "a voice")
        return
    _check_clipped(findings, place, wav, limits)
    sound = Sound.of(wav, fs)
    _check_dc(findings, place, sound, limits)
    _check_band(findings, place, sound, limits)
    if score is None or not score.phones or all(note.is_rest for note in score.notes):
        return
    against = AgainstLabel(findings, place, sound, score, limits)
    against.check_rests()
    against.check_notes()
    against.check_onset()
    against.check_pitch()


def _one_channel(wav: np.ndarray, fs: int, place: str) -> tuple[np.ndarray, Channels]:
    check_samples(wav, place)
    return mix(wav, fs, place)


def _check_clipped(findings: Findings, place: str, wav: np.ndarray, limits: Limits) -> None:
    lengths = [np.zeros(1, int)]
    for side in (wav, -wav):
        peak = side.max()
        if peak >= limits.min_clip_peak:
            flat = np.flatnonzero(side >= peak * (1 - limits.clip_width))
            breaks = np.flatnonzero(np.diff(flat) > 1)
            lengths.append(np.diff(np.concatenate([[-1], breaks, [len(flat) - 1]])))
    runs = np.concatenate(lengths)
    number = int(np.count_nonzero(runs >= limits.clip_run))
    if number >= limits.clip_runs:
        found = f"clipped: {number} flat tops of up to {runs.max()} samples"
        expected = f"fewer than {limits.clip_runs} of {limits.clip_run} samples"
        findings.add("clipped", place, found, expected, badness=number / limits.clip_runs / 10)


def _check_dc(findings: Findings, place: str, sound: Sound, limits: Limits) -> None:
    rms = float(np.sqrt(np.mean(sound.wav**2)))
    allowed = min(limits.dc, limits.dc_share * rms)
    if abs(sound.offset) > allowed:
        found = f"samples are {sound.offset:+.4f} off centre"
        badness = abs(sound.offset) / allowed
        findings.add("dc", place, found, f"at most {allowed:.4f}", badness=badness)


def _check_band(findings: Findings, place: str, sound: Sound, limits: Limits) -> None:
    edge_hz = Band.of(sound.wav, sound.fs, sound.pitch[1]).edge_hz(limits.cliff_db)
    if edge_hz is not None:
        found, expected = f"nothing above {edge_hz / 1000:.1f} kHz at {sound.fs} Hz", "a full band"
        badness = sound.fs / 2 / edge_hz
        findings.add("empty_band", place, found, expected, badness=badness)


class AgainstLabel:
    """An utterance's audio held against its label.

    Args:
        findings: Takes what is found.
        place: Names the audio.
        sound: The audio.
        score: With performed phones.
        limits: Thresholds.
    """

    def __init__(
        self, findings: Findings, place: str, sound: Sound, score: MusicScore, limits: Limits
    ) -> None:
        self.findings, self.place = findings, place
        self.sound, self.score, self.limits = sound, score, limits
        sung = [
            sound.level_db[sound.frames(start, end)]
            for note, (start, end) in self.spans()
            if not note.is_rest
        ]
        levels = np.concatenate(sung)
        self.singing_db = float(np.quantile(levels, 0.75)) if levels.size else 0.0

    def spans(self) -> Iterator[tuple[Note, Span]]:
        """Each note with its stretch of the audio as performed; adjacent rests as one."""
        phones = self.score.phones
        notes = self.score.notes
        keys = [-1 if notes[phone.note].is_rest else phone.note for phone in phones]
        for _, group in itertools.groupby(zip(keys, phones, strict=True), key=lambda pair: pair[0]):
            members = [phone for _, phone in group]
            yield notes[members[0].note], (members[0].start_sec, members[-1].end_sec)

    @functools.cached_property
    def voiced(self) -> np.ndarray:
        """Frames (T,) that are periodic."""
        return self.sound.pitch[1] > self.limits.clarity

    def check_rests(self) -> None:
        """Find rests where a voice sounds."""
        limits = self.limits
        loud: list[tuple[float, Span]] = []
        for note, (start, end) in self.spans():
            if not note.is_rest or end - start < limits.rest_min_sec:
                continue
            within = self.sound.frames(start + limits.rest_margin_sec, end - limits.rest_margin_sec)
            level = np.where(self.voiced[within], self.sound.level_db[within], -np.inf)
            count = max(1, round(limits.rest_loud_sec / FRAME_SEC))
            if len(level) < count:
                continue
            excess = np.sort(level)[-count] - (self.singing_db - limits.rest_below_db)
            if excess > 0:
                loud.append((float(excess), (start, end)))
        if loud:
            excess, span = max(loud)
            found = f"a voice {excess - limits.rest_below_db:+.0f} dB from singing level"
            self._add(
                "rest_energy", found + " in the rest",
                f"at least {limits.rest_below_db:g} dB below", len(loud), 1 + excess / 5, span,
            )  # fmt: skip

    def check_notes(self) -> None:
        """Find notes where nothing sounds."""
        limits = self.limits
        silent: list[tuple[float, Span]] = []
        for note, (start, end) in self.spans():
            margin = limits.note_margin_sec
            level = self.sound.level_db[self.sound.frames(start + margin, end - margin)]
            if note.is_rest or end - start < limits.note_min_sec or not level.size:
                continue
            lack = self.singing_db - limits.note_below_db - float(np.quantile(level, 0.8))
            if lack > 0:
                silent.append((lack, (start, end)))
        if silent:
            lack, span = max(silent)
            found = f"{-lack - limits.note_below_db:.0f} dB from singing level in the note"
            self._add(
                "silent_note", found, f"within {limits.note_below_db:g} dB",
                len(silent), 2 + lack / 10, span,
            )  # fmt: skip

    def check_onset(self) -> None:
        """Find a first consonant that is missing."""
        onset = first_onset(self.sound, self.score, self.limits)
        if onset is None or not (badness := onset.badness(self.limits)):
            return
        length = onset.end_sec - onset.start_sec
        found = (
            f"the voice sets in {onset.voiced_after_sec * 1000:.0f} ms into {onset.phone!r}, "
            f"after {onset.noise_sec * 1000:.0f} ms of noise"
        )
        self._add(
            "cut_onset", found, f"a consonant of {length * 1000:.0f} ms",
            1, 3 * badness, (onset.start_sec, onset.end_sec),
        )  # fmt: skip

    def check_pitch(self) -> None:
        """Find notes an octave off, and a melody that is not the notes."""
        limits, f0 = self.limits, self.sound.pitch[0]
        offsets: list[tuple[float, float, Note, Span]] = []
        for note, span in self.spans():
            if note.is_rest:
                continue
            within = self.sound.frames(*span)
            heard = self.voiced[within] & (
                self.sound.level_db[within] > self.singing_db - limits.note_below_db
            )
            if np.count_nonzero(heard) * FRAME_SEC < limits.octave_min_sec:
                continue
            off = semitones_off(f0[within][heard], note)
            median = float(np.median(off))
            share = np.mean(np.abs(off) > limits.octave_semitones)
            offsets.append((median, float(share), note, span))
        if not offsets:
            return
        far = [
            (abs(median), median, span)
            for median, share, note, span in offsets
            if abs(median) >= limits.octave_semitones
            and share >= limits.octave_share
            and self._confirmed(note, span, median)
        ]
        if far:
            _, median, span = max(far)
            self._add(
                "octave", f"{median:+.1f} semitones off the note",
                f"within {limits.octave_semitones:g}", len(far),
                1 + 4 * len(far) / len(offsets), span,
            )  # fmt: skip
        if len(offsets) < limits.melody_notes:
            return
        medians = np.array([median for median, *_ in offsets])
        within_octave = (medians + OCTAVE / 2) % OCTAVE - OCTAVE / 2
        share = float(np.mean(np.abs(within_octave) > limits.melody_semitones))
        if share > limits.melody_share:
            found = (
                f"{share:.0%} of the notes are over {limits.melody_semitones:g} semitones off, "
                f"{np.median(medians):+.1f} in the middle"
            )
            expected = f"at most {limits.melody_share:.0%}"
            self.findings.add("melody", self.place, found, expected, badness=10 * share)

    def _confirmed(self, note: Note, span: Span, median: float) -> bool:
        """Whether WORLD hears the note as far off: no extractor is free of octave errors."""
        fs, (start, end) = self.sound.fs, span
        around = slice(round(max(0.0, start - CONTEXT_SEC) * fs), round((end + CONTEXT_SEC) * fs))
        f0 = extract_f0(self.sound.wav[around], fs, round(fs * FRAME_SEC))
        voiced = f0[f0 > 0]
        if not voiced.size:
            return False
        return abs(float(np.median(semitones_off(voiced, note))) - median) < SAME_SEMITONES

    def _add(
        self, kind: str, found: str, expected: str, count: int, badness: float, span: Span
    ) -> None:
        where = f"{found} at {span[0]:.2f}-{span[1]:.2f} s"
        if count > 1:
            where += f", and {count - 1} more"
        self.findings.add(kind, self.place, where, expected, badness=badness, span=span)
