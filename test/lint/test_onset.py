"""First consonants that are soft by nature are no false alarm; those that are gone are found."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from espnet2_ext.lint import Limits, lint
from espnet2_ext.lint.audio import check_audio
from espnet2_ext.lint.findings import Findings
from espnet2_ext.score.music_score import MusicScore, Note, Phone

FS = 24000
VOWELS = {"ja": "a", "yue": "aa", "en": "AA"}
LEAD_SEC, CONSONANT_SEC, VOWEL_SEC = 0.2, 0.15, 0.6


def found(language: str, consonant: str, noise_db: float | None, cut: bool = False) -> list[str]:
    """Kinds of findings where silence, a consonant and a vowel are sung.

    Args:
        language: ISO 639 code.
        consonant: Its first phone.
        noise_db: Level of its noise against the vowel; None: silence to the burst at its end.
        cut: The vowel begins where the label has the consonant.
    """
    start, sung = LEAD_SEC, LEAD_SEC + CONSONANT_SEC
    end = sung + VOWEL_SEC
    notes = (Note(0, start, 0, phones=("SP",)), Note(start, end, 60, "x"))
    vowel = VOWELS[language]
    phones = (
        Phone(0, start, "SP", 0), Phone(start, sung, consonant, 1), Phone(sung, end, vowel, 1),
    )  # fmt: skip
    rng = np.random.default_rng(0)
    times = np.arange(round(end * FS)) / FS
    buzz = 0.2 * sum(np.sin(2 * np.pi * 261.6 * k * times) / k for k in range(1, 16))
    voiced = times >= (start if cut else sung)
    wav = 1e-5 * rng.standard_normal(len(times)) + buzz * voiced
    noise = np.sqrt(np.mean(buzz**2)) * rng.standard_normal(len(times))
    if noise_db is not None and not cut:
        wav += noise * 10 ** (noise_db / 20) * ((times >= start) & (times < sung))
    elif not cut:
        wav += 0.05 * noise * ((times >= sung - 0.01) & (times < sung))
    findings = Findings("u")
    score = MusicScore(notes, phones, language=language)
    check_audio(findings, "u.wav", wav.astype(np.float32)[:, None], FS, score, Limits())
    return [finding.kind for finding in findings.items]


@pytest.mark.parametrize("consonant", ["p", "py", "t", "k", "ky", "kw"])
def test_a_japanese_plosive_is_labelled_from_its_closure(consonant: str) -> None:
    assert found("ja", consonant, None) == []
    assert found("ja", consonant, None, cut=True) == ["cut_onset"]


@pytest.mark.parametrize(
    ("language", "consonant"),
    [("ja", "h"), ("ja", "hy"), ("ja", "f"), ("yue", "h"), ("en", "HH")],
)
def test_a_faint_fricative_is_there_though_it_is_not_heard(language: str, consonant: str) -> None:
    assert found(language, consonant, -60.0) == []
    assert found(language, consonant, -60.0, cut=True) == ["cut_onset"]


@pytest.mark.parametrize(("language", "consonant"), [("ja", "s"), ("ja", "ts"), ("en", "S")])
def test_a_sibilant_that_is_silent_is_missing(language: str, consonant: str) -> None:
    assert found(language, consonant, -30.0) == []
    assert found(language, consonant, -70.0) == ["cut_onset"]


@pytest.mark.parametrize("folder", ["nit", "nit_phrases"])
def test_real_japanese_singing_has_no_finding(real_singing: Path, tmp_path, folder: str) -> None:
    copy = shutil.copytree(real_singing / "labelled" / folder, tmp_path / folder)
    for table in ("wav.scp", "score.scp"):  # which name files as from elsewhere
        text = (copy / table).read_text(encoding="utf-8")
        text = text.replace("../shared/realsing", str(real_singing))
        (copy / table).write_text(text, encoding="utf-8")
    assert lint(copy) == []
