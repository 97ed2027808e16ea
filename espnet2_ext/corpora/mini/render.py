"""From a take and a voice to audio, by WORLD."""

from dataclasses import dataclass

import numpy as np

from espnet2_ext.corpora.mini.gestures import Kind, covered, gesture_gain
from espnet2_ext.corpora.mini.performance import Group, Take
from espnet2_ext.corpora.mini.stretch import FRAME_SEC, stretched_times
from espnet2_ext.corpora.mini.timbre import (
    NEPERS_PER_DB,
    bin_hz,
    octaves_above_1k,
    with_breathiness,
)
from espnet2_ext.corpora.mini.voice import Unit, Voice

_JOIN_SEC = 0.012  # half width of the crossfade between syllables
_RELEASE_SEC = 0.04  # before a rest
_CLOSED_RELEASE_SEC = 0.01  # the same, of closing consonants, which fade by themselves
_ATTACK_SEC = 0.012  # after a rest
_BACKGROUND_NEPERS = -19.0  # power of the room against a vowel's -5: about -60 dB
_BREATH_NEPERS = -2.0  # against the singer's /h/
_BREATH_EDGE_SEC = 0.03
_RMS = 0.09
_PEAK = 0.95


@dataclass(frozen=True)
class Rendered:
    """Audio (N,) float64, and the F0 it was made with: (K,) Hz at k * FRAME_SEC, 0 where it has
    no pitch."""

    wav: np.ndarray
    f0_hz: np.ndarray

    def f0_at(self, hop_sec: float, fs: int) -> np.ndarray:
        """F0 at k * `hop_sec`, a multiple of the frame: float32 (audio length // hop,)."""
        step = round(hop_sec / FRAME_SEC)
        return self.f0_hz[::step][: int(len(self.wav) / (hop_sec * fs))].astype(np.float32)


def render(take: Take, voice: Voice, fs: int) -> Rendered:
    """Sing a take.

    Syllables are laid out frame by frame: initials keep their pace, finals are stretched
    where they are held, neighbours are crossfaded in the log spectrum, so nothing clicks.
    """
    import pyworld

    total = take.score.duration_sec
    n_frames = len(take.f0_hz)
    times = np.arange(n_frames) * FRAME_SEC
    log_sp = np.zeros((n_frames, voice.bins))
    ap = np.zeros((n_frames, voice.bins))
    weight = np.zeros(n_frames)
    voiced = np.zeros(n_frames, bool)
    for index, group in enumerate(take.groups):
        joined_before = index > 0 and _touches(take.groups[index - 1], group)
        joined_after = index + 1 < len(take.groups) and _touches(group, take.groups[index + 1])
        share = _envelope(times, group, joined_before, joined_after)
        inside = np.flatnonzero(share > 0)
        unit = voice.units[group.syllable]
        position = _source_position(times[inside], group, unit)
        low = np.minimum(position.astype(int), len(unit.voiced) - 2)
        mix = (position - low)[:, None]
        part = share[inside, None]
        log_sp[inside] += part * (unit.log_sp[low] * (1 - mix) + unit.log_sp[low + 1] * mix)
        ap[inside] += part * (unit.ap[low] * (1 - mix) + unit.ap[low + 1] * mix)
        weight[inside] += share[inside]
        own = (times >= group.start_sec - 1e-9) & (times < group.end_sec - 1e-9)
        own_inside = own[inside]
        voiced[inside[own_inside]] = unit.voiced[np.round(position[own_inside]).astype(int)]
    rest = np.clip(1 - weight, 0, 1)[:, None]
    log_sp += rest * _BACKGROUND_NEPERS
    ap += rest
    log_sp = np.logaddexp(log_sp, _breath(take, voice, times))
    hz = bin_hz(voice.bins, fs)
    tilt = NEPERS_PER_DB * take.tilt_db * octaves_above_1k(hz)
    voiced &= ~covered(take.gestures, times, (Kind.WHISPER, Kind.STOP))
    if take.timbre is None:
        log_sp += NEPERS_PER_DB * take.gain_db[:, None] + tilt
    else:  # the tilt is the glottal source's: hissing has none
        log_sp += NEPERS_PER_DB * take.gain_db[:, None] + tilt * voiced[:, None]
    ap = with_breathiness(ap, take.breathiness)
    if take.timbre is not None:
        effort_db = take.gain_db - take.gain_db.max()
        log_sp[voiced] += take.timbre.source_gain(take.f0_hz, effort_db, hz)[voiced]
        ap = take.timbre.aperiodicity(ap, take.f0_hz, effort_db, hz)
    if take.gestures:
        log_sp += gesture_gain(take.gestures, times, hz)
    log_sp = np.maximum(log_sp, _BACKGROUND_NEPERS - 2)
    ap = np.where(voiced[:, None], ap, 1.0)
    f0 = np.where(voiced, take.f0_hz, 0.0)

    n_samples = round(total * fs)
    wav = pyworld.synthesize(f0, np.exp(log_sp), np.ascontiguousarray(ap), fs, FRAME_SEC * 1000)
    wav = np.pad(wav, (0, max(0, n_samples - len(wav))))[:n_samples]
    pitched = np.where(covered(take.gestures, times, (Kind.CREAK,)), 0.0, f0)
    return Rendered(_level(wav, voiced, fs, take.level_db), pitched)


def _touches(left: Group, right: Group) -> bool:
    return abs(left.end_sec - right.start_sec) < 1e-6


def _envelope(times: np.ndarray, group: Group, before: bool, after: bool) -> np.ndarray:
    """Share of a syllable per frame (K,): a trapezoid whose neighbours add up to one."""
    if before:
        rise = np.clip((times - group.start_sec) / (2 * _JOIN_SEC) + 0.5, 0, 1)
    else:
        rise = np.clip((times - group.start_sec) / _ATTACK_SEC, 0, 1)
    if after:
        fall = np.clip((group.end_sec - times) / (2 * _JOIN_SEC) + 0.5, 0, 1)
    else:
        release = _RELEASE_SEC if group.coda_sec is None else _CLOSED_RELEASE_SEC
        fall = np.clip((group.end_sec - times) / release, 0, 1)
    return rise * fall


def _source_position(times: np.ndarray, group: Group, unit: Unit) -> np.ndarray:
    """Map times (s) to the unit's frames, piecewise linearly."""
    coda_sec = group.end_sec if group.coda_sec is None else group.coda_sec
    vowel = stretched_times(unit.weights[: unit.coda - unit.onset], coda_sec - group.onset_sec)
    closing = np.linspace(coda_sec, group.end_sec, len(unit.voiced) - unit.coda, endpoint=False)
    final = np.concatenate([group.onset_sec + vowel, closing])
    frames = np.arange(unit.onset, len(unit.voiced), dtype=float)
    if group.onset_sec - group.start_sec > 1e-9:
        final, frames = np.append(group.start_sec, final), np.append(0.0, frames)
    return np.interp(times, final, frames)


def _breath(take: Take, voice: Voice, times: np.ndarray) -> np.ndarray:
    """Log spectrum (K, bins) of the breaths: the singer's /h/, swelling towards the next note."""
    log_gain = np.full(len(times), -60.0)
    for start, end, gain_db in take.breaths:
        middle = (times - start) / max(end - start, 1e-3)
        inside = (middle > 0) & (middle < 1)
        edge = np.minimum(times - start, end - times) / _BREATH_EDGE_SEC
        swell = np.log(np.clip(np.sin(np.pi * np.clip(middle, 0, 1) ** 1.3), 1e-3, 1))
        swell += np.log(np.clip(edge, 1e-3, 1))
        log_gain[inside] = (swell + gain_db * NEPERS_PER_DB + _BREATH_NEPERS)[inside]
    return log_gain[:, None] + voice.breath[None]


def _level(wav: np.ndarray, voiced: np.ndarray, fs: int, level_db: float) -> np.ndarray:
    """Bring the voiced part to a usual level and keep the peaks inside."""
    mask = np.repeat(voiced, round(FRAME_SEC * fs))[: len(wav)]
    rms = np.sqrt(np.mean(wav[: len(mask)][mask] ** 2)) if mask.any() else 1.0
    wav = wav * (_RMS / max(rms, 1e-9) * 10 ** (level_db / 20))
    return wav * min(1.0, _PEAK / max(np.abs(wav).max(), 1e-9))
