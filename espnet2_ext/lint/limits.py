"""Thresholds of the linter, each with its reason."""

from dataclasses import dataclass

from espnet2_ext.audio.band import CLIFF_DB
from espnet2_ext.audio.format import SILENT_PEAK


@dataclass(frozen=True)
class Limits:
    """Where a check begins to complain; times in seconds, levels in dB.

    "Singing level" is the level that the loudest quarter of an utterance's sung frames exceeds.

    Args:
        max_short_sec: Audio may end this much before its label; it is padded then.
        max_long_sec: Audio may go on this much after its label, which is extended by a rest; None:
            any.
        silent_peak: A file that never gets louder holds no voice (-60 dB).
        clip_run: So many samples in a row at the very peak are a flat top. A sine of amplitude 1
            at 200 Hz and 24 kHz has one sample within `clip_width` of its peak, at 50 Hz two.
        clip_runs: Flat tops to be called clipped: one may be chance.
        clip_width: How near the peak (share of it) samples of a flat top lie.
        min_clip_peak: Below this peak, 16 bits are too coarse to tell flat from round.
        dc: Mean of the samples that shifts the lowest mel band and clicks at joins (-40 dB).
        dc_share: Or this share of the RMS, for soft recordings.
        cliff_db: Noise that ends so steeply (dB within 1.5 kHz), with nothing above, was cut off by
            a filter: the file was resampled up, or went through a lossy codec.
        rest_below_db: The loudest `rest_loud_sec` of a rest must lie so far below singing level,
            if it is periodic: breaths are noise, reverberation falls quickly.
        rest_min_sec: Shorter rests are gaps between phones.
        rest_loud_sec: Voice that lasts as long within a rest is not a release or a lead.
        rest_margin_sec: Left out at the edges of a rest: releases and consonants that lead.
        note_below_db: A note whose loudest fifth is so far below singing level is not sung;
            singers' dynamics within a phrase stay below 25 dB.
        note_margin_sec: Left out at the edges of a note, where its neighbours sound too.
        note_min_sec: Shorter notes are not judged.
        onset_share: An unvoiced consonant is cut when the voice begins before this share of it.
        onset_slack_sec: And this long before its end: labels are no more exact.
        onset_min_sec: Shorter consonants are not judged.
        onset_noise_db: A consonant's noise lies at most so far below its vowel.
        onset_noise_share: Of the consonant that must be noise, where noise belongs to it.
        clarity: Height of the autocorrelation's peak from which a frame is periodic.
        octave_semitones: A note whose median is so far off is an octave error (or worse).
        octave_share: Share of its frames that must be as far off.
        octave_min_sec: Voiced part of a note that is enough to judge it.
        melody_semitones: A note whose median is so far off, octaves aside, is not as written.
        melody_share: Share of such notes from which the melody is another one: audio of another
            utterance, a wrong rate in the header (44.1 for 48 kHz is 1.5 semitones), another key.
        melody_notes: Fewer notes than this are no melody.
    """

    max_short_sec: float = 0.1
    max_long_sec: float | None = 1.0
    silent_peak: float = SILENT_PEAK
    clip_run: int = 4
    clip_runs: int = 3
    clip_width: float = 1e-4
    min_clip_peak: float = 0.1
    dc: float = 0.01
    dc_share: float = 0.1
    cliff_db: float = CLIFF_DB
    rest_below_db: float = 15.0
    rest_min_sec: float = 0.15
    rest_loud_sec: float = 0.1
    rest_margin_sec: float = 0.06
    note_below_db: float = 35.0
    note_margin_sec: float = 0.02
    note_min_sec: float = 0.1
    onset_share: float = 0.55
    onset_slack_sec: float = 0.035
    onset_min_sec: float = 0.04
    onset_noise_db: float = 50.0
    onset_noise_share: float = 0.25
    clarity: float = 0.8
    octave_semitones: float = 10.5
    octave_share: float = 0.6
    octave_min_sec: float = 0.1
    melody_semitones: float = 1.0
    melody_share: float = 0.4
    melody_notes: int = 3
