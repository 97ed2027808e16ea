"""A corpus with one mistake of each kind is found out, exactly; the clean one is not."""

import dataclasses
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

from espnet2_ext.audio.wav import read_wav, write_wav
from espnet2_ext.bin import data as data_dir_bin
from espnet2_ext.bin import lint as lint_bin
from espnet2_ext.files import read_json, read_table, write_json, write_table
from espnet2_ext.lint import KINDS, Counts, Limits, Options, iterate, lint, lint_data_dir
from espnet2_ext.lint.work_file import WorkFile

from .conftest import FS, SCORES, voice


def respoil(corpus, utt, change):
    path = read_table(corpus / "wav.scp")[utt]
    wav, _ = read_wav(path)
    write_wav(path, change(wav.copy()), FS)


def put(wav, start_sec, end_sec, values):
    wav[round(start_sec * FS) : round(end_sec * FS)] = values
    return wav


def edit(path, utt, change):
    table = read_table(path)
    table[utt] = change(table[utt])
    write_table(path, table)


def drop(path, utt):
    write_table(path, {key: value for key, value in read_table(path).items() if key != utt})


def kinds_of(findings):
    return sorted((finding.kind, finding.utt) for finding in findings)


def a_voice(wav, start_sec, end_sec):
    sung = wav[round(0.6 * FS) : round(0.9 * FS)]
    return put(wav, start_sec, end_sec, np.resize(sung, round((end_sec - start_sec) * FS)))


def transpose_note(corpus, utt, index, semitones):
    path = corpus / "score" / f"{utt}.json"
    loaded = read_json(path)
    loaded["note"][index][3] += semitones
    write_json(path, loaded)


def without_onset(wav):
    """The first consonant, 0.4-0.52 s, is gone; the vowel begins where it should."""
    return put(wav, 0.4, 0.52, wav[round(0.52 * FS) : round(0.64 * FS)])


def at_other_rate(corpus, utt):
    path = read_table(corpus / "wav.scp")[utt]
    soundfile.write(path, soundfile.read(path)[0], FS * 3 // 2)


def resampled_up(corpus, utt):
    """Half the rate's material in a file of the rate of the others."""
    respoil(corpus, utt, lambda w: soxr.resample(soxr.resample(w, FS, FS // 2), FS // 2, FS))


def stereo(corpus, utt, right):
    path = read_table(corpus / "wav.scp")[utt]
    left, _ = read_wav(path)
    soundfile.write(path, np.stack([left, right(left)], axis=1), FS)


def beside_a_drum(corpus, utt):
    """Soft noise that comes and goes, on the right of the voice."""
    noise = np.random.default_rng(0).standard_normal
    stereo(corpus, utt, lambda w: 4e-3 * noise(len(w)) * (np.arange(len(w)) % 5000 < 2000))


PLANTED = {
    "channels": beside_a_drum,
    "empty_band": resampled_up,
    "clipped": lambda c, u: respoil(c, u, lambda w: np.clip(4 * w, -0.5, 0.5)),
    "dc": lambda c, u: respoil(c, u, lambda w: w * 0.9 + 0.05),
    "rest_energy": lambda c, u: respoil(c, u, lambda w: a_voice(w, 2.2, 2.6)),
    "silent_note": lambda c, u: respoil(c, u, lambda w: put(w, 1.0, 1.6, 0.0)),
    "cut_onset": lambda c, u: respoil(c, u, without_onset),
    "octave": lambda c, u: transpose_note(c, u, 2, 12),
    "melody": lambda c, u: [transpose_note(c, u, index, 3) for index in (1, 2, 3)],
    "silent": lambda c, u: respoil(c, u, lambda w: w * 0),
    "audio_long": lambda c, u: respoil(c, u, lambda w: np.pad(w, (0, 2 * FS))),
    "phone": lambda c, u: [
        edit(c / "label", u, lambda v: v.replace(" sh ", " qq ")),
        edit(c / "text", u, lambda v: v.replace("sh", "qq")),
        (c / f"score/{u}.json").write_text(
            (c / f"score/{u}.json").read_text(encoding="utf-8").replace("sh_", "qq_"), "utf-8"
        ),
    ],
    "score": lambda c, u: edit(c / "text", u, lambda v: v.replace("sh", "h")),
    "label": lambda c, u: edit(c / "label", u, lambda v: v.replace("0.400000", "x")),
    "audio_file": lambda c, u: os.truncate(read_table(c / "wav.scp")[u], 20),
    "id": lambda c, u: drop(c / "utt2lang", u),
}


@pytest.mark.parametrize("kind", PLANTED)
def test_one_mistake_is_one_finding(corpus, kind):
    PLANTED[kind](corpus, "u4")
    assert kinds_of(lint(corpus)) == [(kind, "u4")]


@pytest.mark.parametrize(
    ("spoil", "found"),
    [
        (lambda c, u: stereo(c, u, np.negative), "2 channels that cancel each other"),
        (lambda c, u: write_float(c, u, lambda w: 32768 * w), "samples of up to "),
        (lambda c, u: write_float(c, u, lambda w: np.where(w > 0.3, np.nan, w)), "not finite"),
    ],
)
def test_samples_that_are_no_sound(corpus, tmp_path, spoil, found):
    spoil(corpus, "u4")
    (finding,) = lint(corpus)
    assert (finding.kind, finding.utt) == ("audio_file", "u4") and found in finding.found
    assert run_bin(lint_bin.main, corpus, "--html", tmp_path / "page.html") == 2


def write_float(corpus, utt, change):
    path = read_table(corpus / "wav.scp")[utt]
    soundfile.write(path, change(read_wav(path)[0]), FS, subtype="FLOAT")


def test_channels_of_one_voice_are_no_finding(corpus):
    for utt, right in (("u1", lambda w: w), ("u2", np.zeros_like), ("u3", lambda w: 0.5 * w)):
        stereo(corpus, utt, right)
    assert lint(corpus) == []


def test_a_corpus_with_many_mistakes(corpus):
    planted = {kind: f"u{number}" for number, kind in enumerate(list(PLANTED)[:9], 1)}
    for kind, utt in planted.items():
        PLANTED[kind](corpus, utt)
    assert kinds_of(lint(corpus)) == sorted(planted.items())


@pytest.mark.parametrize("work", [False, True])
def test_an_empty_band_of_the_whole_corpus_is_one_finding(corpus, tmp_path, work):
    for utt in list(SCORES)[1:]:
        resampled_up(corpus, utt)
    options = Options(work=tmp_path / "work.jsonl" if work else None)
    for _ in range(2):
        (finding,) = iterate(corpus, options)
        assert (finding.kind, finding.utt) == ("empty_band", "")
        assert "9 of 10 utterances" in finding.found and "nothing above 3.8 kHz" in finding.found


def test_clean(corpus):
    assert lint(corpus) == []


def test_audio_that_ends_early(corpus):
    respoil(corpus, "u4", lambda wav: wav[: 2 * FS])
    kinds = kinds_of(lint(corpus))
    assert ("audio_short", "u4") in kinds
    assert {utt for _, utt in kinds} == {"u4"}


def test_wrong_rate_is_that_of_the_few(corpus):
    at_other_rate(corpus, "u0")
    kinds = kinds_of(lint(corpus, FS))
    assert ("rate", "u0") in kinds and {utt for _, utt in kinds} == {"u0"}
    assert ("rate", "u0") in kinds_of(lint(corpus))
    others = {f"u{n}" for n in range(1, 10)}
    found = {u for kind, u in kinds_of(lint(corpus, FS * 3 // 2)) if kind == "rate"}
    assert found == others


def test_onset_at_the_first_sample(corpus):
    """An utterance cut at the note instead of at the consonant that leads it."""
    score = SCORES["u4"]
    start = score.phones[1].start_sec

    def moved(item, **others):
        times = {"start_sec": item.start_sec - start, "end_sec": item.end_sec - start}
        return dataclasses.replace(item, **times, **others)

    phones = tuple(moved(phone, note=phone.note - 1) for phone in score.phones[1:])
    notes = tuple(moved(note) for note in score.notes[1:])
    score = dataclasses.replace(score, notes=notes, phones=phones)
    label = " ".join(f"{p.start_sec:.6f} {p.end_sec:.6f} {p.phone}" for p in score.phones)
    edit(corpus / "label", "u4", lambda _: label)
    edit(corpus / "text", "u4", lambda value: value.removeprefix("SP "))
    path = corpus / "score" / "u4.json"
    loaded = read_json(path)
    loaded["note"] = [[n[0] - start, n[1] - start, *n[2:]] for n in loaded["note"][1:]]
    write_json(path, loaded)
    wav = voice(score)
    file = read_table(corpus / "wav.scp")["u4"]
    write_wav(file, wav, FS)
    assert lint(corpus) == []
    for lost_sec in (0.09, 0.12):
        write_wav(file, wav[round(lost_sec * FS) :], FS)
        assert ("cut_onset", "u4") in kinds_of(lint(corpus))


@pytest.mark.parametrize("shift_sec", [0.3, -0.3])
def test_labels_that_are_shifted_name_the_utterance(corpus, shift_sec):
    """As one singer's in ACE-Opencpop (espnet issue 6088)."""
    respoil(corpus, "u4", lambda wav: np.roll(wav, round(shift_sec * FS)))
    findings = lint(corpus)
    assert findings and {finding.utt for finding in findings} == {"u4"}


def test_phone_set_of_the_directory(corpus):
    PLANTED["phone"](corpus, "u4")
    phones = ["SP", "AP", "a", "ang", "ao", "h", "m", "qq", "sh"]
    (corpus / "phones.txt").write_text("\n".join(phones) + "\n")
    assert lint(corpus) == []
    (corpus / "phones.txt").write_text("\n".join(phones[:-1]) + "\n")
    assert {f.kind for f in lint(corpus)} == {"phone"}


def test_headers_alone(corpus):
    PLANTED["dc"](corpus, "u1")
    PLANTED["score"](corpus, "u2")
    assert kinds_of(lint_data_dir(corpus, level="header")) == [("score", "u2")]


def test_thresholds_are_options(corpus, tmp_path):
    PLANTED["dc"](corpus, "u1")
    limits = dataclasses.replace(Limits(), dc=0.1, dc_share=1.0)
    assert list(iterate(corpus, Options(limits=limits))) == []
    file = tmp_path / "limits.yaml"
    file.write_text("dc: 0.1\ndc_share: 1.0\n")
    assert run_bin(lint_bin.main, corpus, "--limits", file) == 0
    file.write_text("dcc: 0.1\n")
    assert run_bin(lint_bin.main, corpus, "--limits", file) == 2


def test_processes_find_the_same(corpus):
    for number, kind in enumerate(("dc", "octave", "cut_onset"), 1):
        PLANTED[kind](corpus, f"u{number}")
    assert list(iterate(corpus, Options(nj=2))) == lint(corpus)


def test_sample(corpus):
    for number in range(10):
        PLANTED["dc"](corpus, f"u{number}")
    draws = [
        {f.utt for f in iterate(corpus, Options(sample=4, seed=seed))} for seed in (0, 0, 1, 2)
    ]
    assert all(len(draw) == 4 for draw in draws)
    assert draws[0] == draws[1] and (draws[1] != draws[2] or draws[1] != draws[3])


def test_a_killed_run_goes_on(corpus, tmp_path, monkeypatch):
    PLANTED["dc"](corpus, "u1")
    PLANTED["dc"](corpus, "u8")
    options = Options(work=tmp_path / "work" / "corpus.jsonl")
    finished = WorkFile.add

    def killed(self, utt, key, findings):
        if utt == "u5":
            raise KeyboardInterrupt
        finished(self, utt, key, findings)

    with monkeypatch.context() as patch:
        patch.setattr(WorkFile, "add", killed)
        patch.setattr(WorkFile, "close", lambda self: self._file.close())  # no time for it
        with pytest.raises(KeyboardInterrupt):
            list(iterate(corpus, options))
    with open(options.work, "a") as file:
        file.write('{"utt": "u5", "key": "torn')
    counts = Counts()
    assert list(iterate(corpus, options, counts)) == lint(corpus)
    assert (counts.utts, counts.read) == (10, 5)  # u5 to u9
    PLANTED["dc"](corpus, "u2")  # what changed is read again, nothing else
    transpose_note(corpus, "u3", 1, 12)
    counts = Counts()
    assert kinds_of(iterate(corpus, options, counts)) == [
        ("dc", "u1"), ("dc", "u2"), ("dc", "u8"), ("octave", "u3"),
    ]  # fmt: skip
    assert counts.read == 2
    assert len(Path(options.work).read_text().splitlines()) == 10


def test_a_file_put_in_the_place_of_another_is_read_again_whatever_its_time(corpus, tmp_path):
    options = Options(work=tmp_path / "work.jsonl")
    assert lint(corpus) == list(iterate(corpus, options)) == []
    wav = Path(read_table(corpus / "wav.scp")["u1"])
    before = wav.stat()
    PLANTED["dc"](corpus, "u1")
    assert wav.stat().st_size == before.st_size
    os.utime(wav, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert kinds_of(iterate(corpus, options)) == [("dc", "u1")]


@pytest.mark.slow
def test_a_run_killed_outright(corpus, tmp_path):
    """SIGKILL of the command over processes: none of them stays, and little is done again."""
    tables = {path: read_table(path) for path in corpus.iterdir() if path.is_file()}
    for path, table in tables.items():
        if path.name != "spk2utt":
            many = {f"{utt}_{n:03d}": table[utt] for utt in table for n in range(10)}
            write_table(path, many)
    (corpus / "spk2utt").unlink()
    work = tmp_path / "work"
    command = [sys.executable, "-m", "espnet2_ext.bin.lint", str(corpus), "--work", str(work)]
    process = subprocess.Popen([*command, "--nj", "2"], stderr=subprocess.DEVNULL)
    finished = 0
    while finished < 16:
        time.sleep(0.05)
        assert process.poll() is None
        finished = sum(len(file.read_text().splitlines()) for file in work.glob("*.jsonl"))
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    process.kill()
    process.wait()
    again = subprocess.run(command, stderr=subprocess.PIPE, text=True)
    assert again.returncode == 0
    minutes = float(re.search(r"read ([0-9.]+) min", again.stderr)[1])
    assert 0 < minutes <= (100 - 15) * SCORES["u0"].duration_sec / 60
    assert children and not any(map(_runs, children))


def _runs(pid: str) -> bool:
    """Whether a process is there and not merely unburied: PID 1 of a container may not reap."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def run_bin(main, *args):
    with pytest.raises(SystemExit) as status:
        main([str(arg) for arg in args])
    return status.value.code


def test_exclude_ends_in_a_directory_without_them(corpus, tmp_path, capsys):
    PLANTED["dc"](corpus, "u1")
    PLANTED["octave"](corpus, "u2")
    PLANTED["silent_note"](corpus, "u3")
    excluded = tmp_path / "exclude.txt"
    assert run_bin(lint_bin.main, corpus, "--exclude", excluded) == 2
    assert sorted(read_table(excluded).items()) == [("u2", "octave"), ("u3", "silent_note")]
    summary = capsys.readouterr().err
    for expected in ("octave", "worst utterances", "10 checked: 3 findings"):
        assert expected in summary
    options = ["filter", "--in_dir", corpus, "--exclude", excluded, "--out_dir"]
    assert run_bin(data_dir_bin.main, *options, tmp_path / "kept") == 0
    assert sorted(read_table(tmp_path / "kept" / "wav.scp")) == [
        utt for utt in SCORES if utt not in ("u2", "u3")
    ]
    assert kinds_of(lint(tmp_path / "kept")) == [("dc", "u1")]
    assert run_bin(lint_bin.main, corpus, "--exclude", excluded, "--exclude_kinds", "dc") == 2
    assert list(read_table(excluded)) == ["u1"]
    assert run_bin(lint_bin.main, corpus, "--exclude_kinds", "nothing") == 2


def test_page(corpus, tmp_path):
    for utt, kind in (("u1", "dc"), ("u2", "octave"), ("u3", "audio_file"), ("u4", "label")):
        PLANTED[kind](corpus, utt)
    page = tmp_path / "lint.html"
    assert run_bin(lint_bin.main, corpus, "--html", page) == 2
    html = page.read_text(encoding="utf-8")
    assert html.count("data:image/webp") == 3  # u3 has no audio to draw
    assert html.count("<h3>") == 4 and html.index("u3: audio_file") < html.index("u1: dc")
    assert "http" not in html


def test_kinds_are_documented():
    page = Path(__file__).parents[2] / "docs" / "lint.md"
    text = page.read_text(encoding="utf-8")
    for kind in KINDS:
        assert f"| `{kind}` |" in text, kind
    for limit in Limits.__dataclass_fields__:
        assert f"`{limit}`" in text, limit
