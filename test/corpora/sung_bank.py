"""A small UTAU voicebank, synthesised: vowels of formants at one pitch, consonants of noise or hum.

In the layout of real ones: oto.ini in Shift-JIS or UTF-8, a recording per mora (CV) or of several
morae in a row (VCV), character.txt, readme.txt.
"""

from pathlib import Path

import numpy as np
import soundfile

FS = 44100
HZ = 220.0
LEAD_SEC, CONSONANT_SEC, VOWEL_SEC = 0.05, 0.08, 0.5
FORMANTS = {
    "a": (800, 1300, 2700),
    "i": (300, 2300, 3000),
    "u": (330, 1200, 2400),
    "e": (480, 1900, 2600),
    "o": (480, 900, 2600),
    "n": (250, 1200, 2300),
}
NOISE_HZ = {"k": (1500, 4000), "s": (5000, 9000), "t": (3000, 7000), "h": (800, 3000)}
ROWS = {"": "あいうえお", "k": "かきくけこ", "s": "さ_すせそ", "t": "た__てと", "m": "まみむめも"}
MORAE = [
    (kana, consonant, vowel)
    for consonant, row in ROWS.items()
    for kana, vowel in zip(row, "aiueo", strict=True)
    if kana != "_"
]


def voiced(vowel: str, seconds: float, fs: int, hz: float = HZ, gain: float = 1.0) -> np.ndarray:
    times = np.arange(round(seconds * fs)) / fs
    wav = np.zeros(len(times))
    for harmonic in np.arange(hz, min(8000, 0.45 * fs), hz):
        level = sum(1 / (1 + ((harmonic - f) / 90) ** 2) for f in FORMANTS[vowel]) + 0.003
        wav += level * np.sin(2 * np.pi * harmonic * times)
    edge = np.clip(np.minimum(times, seconds - times) / 0.01, 0, 1)
    return 0.1 * gain * wav * edge


def noise(consonant: str, seconds: float, fs: int, rng: np.random.Generator) -> np.ndarray:
    n = round(seconds * fs)
    spectrum = np.fft.rfft(rng.normal(size=n))
    hz = np.fft.rfftfreq(n, 1 / fs)
    low, high = NOISE_HZ[consonant]
    spectrum[(hz < low) | (hz > high)] = 0
    wav = np.fft.irfft(spectrum, n)
    return 0.05 * wav / max(np.abs(wav).max(), 1e-9)


def mora(consonant: str, vowel: str, fs: int, rng: np.random.Generator) -> np.ndarray:
    parts = [voiced(vowel, VOWEL_SEC, fs)]
    if consonant == "m":
        parts.insert(0, voiced("n", CONSONANT_SEC, fs, gain=0.5))
    elif consonant:
        parts.insert(0, noise(consonant, CONSONANT_SEC, fs, rng))
    return np.concatenate(parts)


def silence(seconds: float, fs: int) -> np.ndarray:
    return np.zeros(round(seconds * fs))


def write(path: Path, wav: np.ndarray, fs: int, channels: int = 1) -> None:
    soundfile.write(path, np.repeat(wav[:, None], channels, axis=1), fs)


def write_oto(folder: Path, lines: list[str], encoding: str = "cp932") -> None:
    (folder / "oto.ini").write_bytes("".join(f"{line}\r\n" for line in lines).encode(encoding))


def cv_bank(
    root: Path, fs: int = FS, encoding: str = "cp932", channels: int = 1, romaji: bool = False
) -> Path:
    """A recording and a line per mora; some end by a negative cutoff, some by a positive one."""
    rng = np.random.default_rng(1)
    root.mkdir(parents=True)
    lines = []
    for index, (kana, consonant, vowel) in enumerate(MORAE):
        wav = [silence(LEAD_SEC, fs), mora(consonant, vowel, fs, rng), silence(LEAD_SEC, fs)]
        write(root / f"_{index}.wav", np.concatenate(wav), fs, channels)
        alias = consonant + vowel if romaji else kana
        before = 1000 * CONSONANT_SEC if consonant else 10
        length = 1000 * (VOWEL_SEC + (CONSONANT_SEC if consonant else 0))
        cutoff = -length if index % 2 else 1000 * LEAD_SEC
        offset = 1000 * LEAD_SEC
        lines.append(f"_{index}.wav={alias},{offset},{before + 60},{cutoff:.1f},{before},{20}")
    write_oto(root, lines, encoding)
    (root / "character.txt").write_bytes("name=試験 Shiken\r\n".encode(encoding))
    (root / "readme.txt").write_bytes("利用規約: 自由に使えます。\r\n".encode(encoding))
    return root


def vcv_bank(root: Path, fs: int = FS) -> Path:
    """Each mora after a rest and after each of two vowels, in a folder below."""
    rng = np.random.default_rng(2)
    folder = root / "A3"
    folder.mkdir(parents=True)
    lines = []
    for index, (kana, consonant, vowel) in enumerate(MORAE):
        wav, at = [silence(LEAD_SEC, fs)], LEAD_SEC
        for context in ("-", "a", "i"):
            if context != "-":
                wav.append(voiced(context, 0.2, fs))
                at += 0.2
            wav.append(mora(consonant, vowel, fs, rng))
            before = CONSONANT_SEC if consonant else 0.01
            back = 0.0 if context == "-" else 0.1  # the stretch begins in the vowel before
            numbers = [at - back, back + before + 0.06, -(back + before + 0.4), back + before]
            numbers = [1000 * x for x in [*numbers, back + 0.01]]
            values = ",".join(f"{x:.3f}" for x in numbers)
            lines.append(f"_{index}.wav={context} {kana}A3,{values}")
            at += VOWEL_SEC + (CONSONANT_SEC if consonant else 0)
        write(folder / f"_{index}.wav", np.concatenate(wav), fs)
    write_oto(folder, lines, "utf-8")
    (root / "LICENSE").write_text("CC0")
    return root
