"""The measures: what each computes of an utterance, when it is asked for, and its metrics.

Who adds a metric adds a `Measure` to `MEASURES`, or a `Metric` to one, and raises its version:
scores, tables, paired tests, attribution and the report follow at the next run.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from espnet2_ext.audio.pitch import midi_to_hz
from espnet2_ext.evaluation.metric import HIGHER, LOWER, Metric, mean, pooled
from espnet2_ext.evaluation.rendition import Rendition
from espnet2_ext.judges.attributes import ATTRIBUTES, listen
from espnet2_ext.judges.f0 import FPS
from espnet2_ext.metrics.contour import contour_scores
from espnet2_ext.metrics.espnet_svs import espnet_features, espnet_scores
from espnet2_ext.metrics.lsd import lsd
from espnet2_ext.metrics.mos import without_silence
from espnet2_ext.metrics.musical import musical_scores
from espnet2_ext.metrics.per import phone_errors, sung_phones
from espnet2_ext.metrics.speaker import cosine
from espnet2_ext.metrics.versa_f0_mcd import f0_distance, mcd_dtw, mcd_f0_dtw

Values = dict[str, Any]


@dataclass(frozen=True)
class Measure:
    """What is computed of an utterance in one go.

    Args:
        name: Part of the keys of kept scores.
        compute: The utterance's values: those of the metrics, and the counts that pooling needs.
        metrics: What becomes of them, in the order of tables.
        asked: Whether it is to be computed of an utterance; always, by default. It may look at the
            task, the options and the judges, and reads no audio.
        extra: Its metrics are shown only where they were measured.
        of_f0: It takes F0 alone, and so measures the written note (`Task.hyp` is None) too.
        version: Part of the keys of kept scores: raise it when the measure changes.
    """

    name: str
    compute: Callable[[Rendition], Values]
    metrics: tuple[Metric, ...]
    asked: Callable[[Rendition], bool] = lambda _: True
    extra: bool = False
    of_f0: bool = False
    version: int = 1

    def applies(self, rendition: Rendition) -> bool:
        """Whether it is computed of an utterance; reads no audio."""
        return (self.of_f0 or rendition.sounds) and self.asked(rendition)


def _with_world(r: Rendition) -> bool:
    return r.task.with_world


def _versa_f0(r: Rendition) -> Values:
    try:
        rmse_hz, corr = f0_distance(r.world_f0_hyp, r.world_ref.f0)
    except ValueError as error:  # too different in length
        return {"world_note": str(error)}
    return {"f0_rmse_hz": rmse_hz, "f0_corr_versa": corr}


def _mcd(r: Rendition) -> Values:
    values = {"mcd_db": mcd_dtw(r.world_hyp, r.world_ref)}
    return values if isinstance(r.versa, str) else values | {"mcd_db_nodtw": r.versa.mcd_db}


def _versa_f0_dtw(r: Rendition) -> Values:
    warped = mcd_f0_dtw(r.world_hyp, r.world_ref)
    return {"f0_rmse_hz_dtw": warped.f0_rmse_hz, "f0_corr_versa_dtw": warped.f0_corr}


def _musical(r: Rendition) -> Values:
    """`f0_length` says by how many frames of 10 ms the rendition is longer."""
    values = asdict(musical_scores(r.f0_hyp, r.f0_ref, r.finals))
    return values | {"f0_length": len(r.f0_hyp) - len(r.f0_ref), "n_f0": len(r.f0_ref)}


def _contour(r: Rendition) -> Values:
    return asdict(contour_scores(r.f0_hyp, r.f0_ref, r.finals, FPS))


def _espnet(r: Rendition) -> Values:
    scores = espnet_scores(espnet_features(r.hyp, r.fs), espnet_features(r.ref, r.fs))
    return {f"espnet_{name}": value for name, value in asdict(scores).items()}


def _lsd(r: Rendition) -> Values:
    try:
        return {"lsd_db": lsd(r.hyp, r.ref)}
    except ValueError as error:  # too short, or too different in length
        return {"lsd_note": str(error)}


def _words(r: Rendition) -> Values:
    heard, reference = r.judges.recognizer.recognize(r.hyp, r.fs), sung_phones(r.task.score)
    counts = phone_errors(heard, reference)
    values = {"per": counts.rate, "phone_errors": counts.errors, "n_phones": counts.n_ref}
    return values | {"heard": " ".join(heard), "reference": " ".join(reference)}


def _singer(r: Rendition) -> Values:
    embedded = r.judges.embedder.embed(r.hyp, r.fs)
    voice = r.judges.centroids.compare(embedded, r.task.singer, r.task.utt)
    return {
        "singer": r.task.singer, "singer_sim": voice.cosine, "singer_margin": voice.margin,
        "singer_acc": float(voice.first), "singer_nearest": voice.nearest,
    }  # fmt: skip


def _words_of(kind: str, kinds: tuple[str, ...]) -> Metric:
    """PER of utterances of some kinds alone."""
    name, head = f"{kind}_per", f"PER ({kind})"

    def value(u: Mapping[str, Any]) -> float | None:
        return u.get("phone_errors") if u.get("kind") in kinds else None

    return Metric(name, head, head, value, lambda u: u["n_phones"], LOWER)


def _kind(r: Rendition) -> Values:
    return {"kind": r.task.attributes["kind"]}


def _attributes(r: Rendition) -> Values:
    heard = listen(r.hyp, r.fs, r.judges.f0)
    right = r.judges.attributes.right(heard, r.task.attributes)
    return {f"acc_{name}": value for name, value in right.items()}


def _melody(r: Rendition) -> Values:
    """`n_melody` counts the frames of sung finals; where nothing is heard they are wrong."""
    sung = r.finals.note >= 0
    written = np.where(sung, midi_to_hz(r.finals.midi), 0.0)
    scores = musical_scores(r.melody_hyp, written, r.finals)
    n_sung = int(sung.sum())
    acc = scores.semitone_acc * scores.n_frames / n_sung if n_sung else None
    return {"melody_corr": scores.f0_corr, "melody_acc": acc, "n_melody": n_sung}


def _has(name: str, few: bool = False) -> Callable[[Rendition], bool]:
    """Whether the model of a metric is there; of `few` utterances, those that WORLD is run on."""
    return lambda r: r.judges.has(name) and (_with_world(r) or not few)


def _speaker(name: str, head: str, few: bool = False) -> Measure:
    def compute(r: Rendition) -> Values:
        return {name: cosine(*map(r.judges.speakers[name].embed, r.at_speech_rate))}

    metrics = (mean(name, f"{head} (cosine)", head, HIGHER),)
    return Measure(name, compute, metrics, _has(name, few), extra=True)


def _mos(name: str, head: str, few: bool = False) -> Measure:
    def compute(r: Rendition) -> Values:
        return {name: r.judges.mos[name].predict(without_silence(r.at_speech_rate[0]))}

    metrics = (mean(name, head, head, HIGHER, 2),)
    return Measure(name, compute, metrics, _has(name, few), extra=True, version=2)


def _recognized(name: str, head: str) -> Measure:
    """Phones of another recogniser's words; `n_phones` is the measure `words`' own count."""

    def compute(r: Rendition) -> Values:
        heard = r.judges.words[name].recognize(r.at_speech_rate[0], r.task.score.language)
        if heard is None:
            return {}
        counts = phone_errors(heard, sung_phones(r.task.score))
        return {
            name: counts.rate,
            f"{name}_errors": counts.errors,
            f"{name}_heard": " ".join(heard),
        }

    metric = Metric(name, head, head, lambda u: u.get(f"{name}_errors"), lambda u: u["n_phones"],
                    LOWER)  # fmt: skip
    return Measure(name, compute, (metric,), _has(name), extra=True)


def _cents_squared(u: Mapping[str, Any]) -> float | None:
    return None if u.get("cents_rmse") is None else u["cents_rmse"] ** 2 * u["n_frames"]


MEASURES = (
    Measure("versa_f0", _versa_f0, (
        mean("f0_rmse_hz", "F0 RMSE Hz (VERSA, no DTW, unvoiced = 0)", "F0 RMSE Hz (VERSA)",
             LOWER, 1),
        mean("f0_corr_versa", "F0 corr (VERSA, no DTW, unvoiced = 0)", "F0 corr (VERSA)", HIGHER),
    ), _with_world, of_f0=True, version=2),
    Measure("musical", _musical, (
        mean("f0_corr", "F0 corr (sung finals, both voiced)", "F0 corr", HIGHER),
        Metric("cents_rmse", "RMSE cents (same frames)", "cents", _cents_squared,
               lambda u: u["n_frames"], LOWER, 0, root=True),
        pooled("semitone_acc", "n_frames", "Semitone acc (frames within 50 cents of the note)",
               "semitone acc", HIGHER),
        pooled("note_acc", "n_notes", "Note acc (median within 50 cents)", "note acc", HIGHER),
        pooled("vuv_error", "n_f0", "V/UV error", "V/UV error", LOWER),
    ), of_f0=True, version=2),
    Measure("contour", _contour, (
        mean("f0_rmse_log", "F0 RMSE (natural log, frames voiced in both)", "F0 RMSE, log", LOWER),
        pooled("rpa", "n_voiced", "RPA (within 50 cents of the recording)", "RPA", HIGHER),
        pooled("rhythm_iou", "n_sung", "Rhythm IoU (notes as sung)", "rhythm IoU", HIGHER),
        replace(pooled("vibrato_error", "n_vibrato", "Vibrato error (depth, cents)",
                       "vibrato error, cents", LOWER), digits=0),
    ), of_f0=True, version=2),
    Measure("mcd", _mcd, (
        mean("mcd_db", "MCD dB (WORLD, DTW)", "MCD dB, DTW", LOWER, 2),
        mean("mcd_db_nodtw", "MCD dB (VERSA, no DTW)", "MCD dB", LOWER, 2),
    ), _with_world, version=2),
    Measure("words", _words, (
        Metric("per", "PER (CTC judge)", "PER", lambda u: u.get("phone_errors"),
               lambda u: u["n_phones"], LOWER),
    )),
    Measure("singer", _singer, (
        mean("singer_sim", "Singer sim (cosine)", "singer sim", HIGHER),
        mean("singer_acc", "Singer acc (rank 1)", "singer acc", HIGHER),
    )),
    Measure("versa_f0_dtw", _versa_f0_dtw, (
        mean("f0_rmse_hz_dtw", "F0 RMSE Hz (VERSA, DTW, voiced)", "F0 RMSE Hz, DTW", LOWER, 1),
        mean("f0_corr_versa_dtw", "F0 corr (VERSA, DTW, voiced)", "F0 corr, DTW", HIGHER),
    ), lambda r: r.task.with_world and r.f0_dtw, extra=True, version=2),
    Measure("espnet_svs", _espnet, (
        mean("espnet_mcd_db", "MCD dB (ESPnet svs1)", "MCD dB (svs1)", LOWER, 2),
        mean("espnet_log_f0_rmse", "log-F0 RMSE (ESPnet svs1)", "log-F0 RMSE (svs1)", LOWER),
        mean("espnet_semitone_acc", "Semitone acc (ESPnet svs1)", "semitone acc (svs1)", HIGHER),
        mean("espnet_vuv_error", "V/UV error (ESPnet svs1)", "V/UV error (svs1)", LOWER),
    ), lambda r: r.task.with_world and r.espnet_svs, extra=True, version=2),
    Measure("lsd", _lsd, (
        mean("lsd_db", "LSD dB (no DTW)", "LSD dB", LOWER, 2),
    ), lambda r: r.lsd, extra=True),
    Measure("kind", _kind, (
        _words_of("song", ("song",)), _words_of("speech", ("speech", "dialogue")),
    ), lambda r: "kind" in r.task.attributes, extra=True),
    Measure("attributes", _attributes, tuple(
        mean(f"acc_{name}", f"{name} acc (attribute judge)", f"{name} acc", HIGHER)
        for name in ATTRIBUTES
    ), lambda r: r.judges.attributes is not None and bool(r.task.attributes), extra=True),
    Measure("melody", _melody, (
        mean("melody_corr", "Melody corr (melody judge, F0 to the written notes)", "melody corr",
             HIGHER),
        pooled("melody_acc", "n_melody", "Melody acc (frames within 50 cents of the note)",
               "melody acc", HIGHER),
    ), lambda r: r.judges.melody is not None and r.task.attributes.get("kind") == "song",
        extra=True),
    _recognized("whisper_per", "PER (Whisper)"),
    _recognized("firered_per", "PER (FireRedASR)"),
    _speaker("spk_sim", "speaker sim, ESPnet-SPK"),
    _speaker("secs", "SECS, Resemblyzer", few=True),
    _speaker("wavlm_sim", "speaker sim, WavLM-SV"),
    _mos("singmos", "SingMOS"),
    _mos("singmos_pro", "SingMOS-Pro"),
    _mos("sheet_ssqa", "SHEET-SSQA"),
    _mos("songeval", "SongEval"),
    _mos("dnsmos", "DNSMOS (OVRL)", few=True),
)  # fmt: skip
LEAD = (
    "per", "vuv_error", "cents_rmse", "f0_corr", "rpa", "rhythm_iou", "vibrato_error", "singer_sim",
    "singer_acc",
)  # fmt: skip
"""Columns that tables lead with, what the model answers for: words, voicing, how it is sung against
the take, singer. What the vocoder decides as well follows, then accuracy of the written pitch."""
_SCORE_DECIDES = ("semitone_acc", "note_acc")


def _in_order(metrics: Iterable[Metric]) -> tuple[Metric, ...]:
    """In the order of tables."""

    def place(metric: Metric) -> int:
        if metric.name in LEAD:
            return LEAD.index(metric.name)
        return len(LEAD) + (metric.name in _SCORE_DECIDES)

    return tuple(sorted(metrics, key=place))


METRICS = _in_order(metric for m in MEASURES if not m.extra for metric in m.metrics)
EXTRA_METRICS = tuple(metric for m in MEASURES if m.extra for metric in m.metrics)
