"""The page as files: blinded, equally loud, the same for the same seed; mistakes are one line."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from espnet2_ext.audio.wav import read_wav, write_wav
from espnet2_ext.bin.listening_test import main
from espnet2_ext.errors import UserError
from espnet2_ext.listening import loudness as lufs
from espnet2_ext.listening.answers import read_key
from espnet2_ext.listening.headphones import FS as CHECK_FS
from espnet2_ext.listening.page import LANGUAGES, TestConfig, make_test, texts
from espnet2_ext.listening.systems import choose, read_splits, read_systems

from .conftest import FS, SYSTEMS, UTTS, sing


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_no_name_of_a_system_or_utterance_and_no_path_is_anywhere_in_the_page(made, decodes):
    for name, data in contents(made.page.parent).items():
        for secret in (*SYSTEMS, *UTTS, "hidden_reference", "anchor", "spoiled", str(decodes)):
            assert secret.lower() not in name.lower()
            assert secret.lower().encode() not in data.lower(), (secret, name)
    html = made.page.read_text()
    assert "key.json" not in html
    assert not any(mark in html for mark in ("http:", "https:", "//cdn", "fetch(", "import("))
    key = read_key(made.key)
    assert not made.key.resolve().is_relative_to(made.page.parent.resolve())
    files = {p.stem for p in (made.page.parent / "audio").iterdir()}
    assert files == set(key["samples"]) | set(key["check"])


def test_every_sample_has_the_target_loudness_and_none_clips(made):
    key = read_key(made.key)
    assert key["loudness_lufs"] == pytest.approx(made.target, abs=1e-3)
    for sample in key["samples"]:
        wav, fs = read_wav(made.page.parent / "audio" / f"{sample}.wav")
        assert lufs.loudness(wav, fs) == pytest.approx(made.target, abs=0.2)
        assert lufs.true_peak(wav) < lufs.PEAK_CEILING_DB + 0.1


def test_where_one_sample_would_clip_all_become_quieter(options, made, tmp_path):
    assert made.target == -23 and made.lowered_by == ""
    louder = make_test(TestConfig(**{**options, "loudness": -3.0, "kinds": ["mos"]}))
    assert louder.target < -3 and louder.lowered_by.partition(":")[0] in (*SYSTEMS, "spoiled")
    peaks = []
    for sample in read_key(louder.key)["samples"]:
        wav, fs = read_wav(louder.page.parent / "audio" / f"{sample}.wav")
        assert lufs.loudness(wav, fs) == pytest.approx(louder.target, abs=0.2)
        peaks.append(lufs.true_peak(wav))
    assert max(peaks) == pytest.approx(lufs.PEAK_CEILING_DB, abs=0.1)


def test_the_same_seed_makes_the_same_page_and_another_one_another(options, made):
    first, key = contents(made.page.parent), made.key.read_bytes()
    make_test(TestConfig(**options))
    assert contents(made.page.parent) == first and made.key.read_bytes() == key
    other = make_test(TestConfig(**{**options, "seed": 1}))
    assert other.test != made.test and not set(contents(other.page.parent)) & {
        name for name in first if name.startswith("audio")
    }
    # the first test's key is kept: results of its page may come yet
    assert (made.key.parent / f"key.{made.test}.json").read_bytes() == key


def test_systems_of_other_rates_sound_at_one_rate(decodes, options, tmp_path):
    for i, utt in enumerate(UTTS):
        write_wav(tmp_path / "fast" / f"{utt}.wav", sing(i, 0.2, 0.9), 24000)
    two = [str(decodes / SYSTEMS[0]), str(tmp_path / "fast")]
    made = make_test(TestConfig(**{**options, "systems": two, "kinds": ["mos"]}))
    rates = {soundfile.info(made.page.parent / "audio" / f"{sample}.wav").samplerate
             for sample in read_key(made.key)["samples"]}  # fmt: skip
    assert rates == {24000}


def test_the_reference_among_the_systems_is_hidden_once_in_mushra(decodes, options):
    systems = [str(decodes / SYSTEMS[0]), str(decodes / "recorded")]
    made = make_test(TestConfig(**{**options, "systems": systems}))
    key = read_key(made.key)
    for trial in key["trials"].values():
        names = {key["samples"][s]["system"] for s in trial["samples"]}
        if trial["kind"] == "mushra" and not trial.get("catch"):
            assert names == {SYSTEMS[0], "hidden_reference", "low_anchor"}


def test_a_headphones_check_has_one_quiet_tone_and_one_out_of_phase(made):
    key = read_key(made.key)
    assert sorted(key["check"].values()) == [1, 1, 2, 2, 3, 3]
    for name, quietest in key["check"].items():
        wav, fs = soundfile.read(made.page.parent / "audio" / f"{name}.wav")
        tones = wav.reshape(3, -1, 2)
        assert fs == CHECK_FS
        assert np.argmin(tones[..., 0].std(1)) == quietest - 1
        mono = tones.mean(-1).std(1)  # a loudspeaker's mixture: the opposite phase is quietest
        assert mono.min() < 1e-4 and np.argmin(mono) != quietest - 1


def test_languages_say_the_same_things():
    def shape(value):
        if isinstance(value, dict):
            return {key: shape(inner) for key, inner in value.items()}
        return [shape(inner) for inner in value] if isinstance(value, list) else type(value)

    shapes = {lang: shape(texts(lang)) for lang in LANGUAGES}
    assert shapes["en"] == shapes["zh"] == shapes["ja"]
    assert len({json.dumps(texts(lang)) for lang in LANGUAGES}) == 3


def test_title_question_and_instructions_are_shown_as_text(options, tmp_path):
    own = tmp_path / "own.txt"
    own.write_text("First <b>words</b>.\n\nThen </script> others.")
    extra = {"title": "Ours & <i>yours</i>", "question": "How </script> good?", "lang": "ja"}
    html = make_test(TestConfig(**{**options, **extra, "instructions": own})).page.read_text()
    assert '<html lang="ja">' in html and html.count("</script>") == 1
    assert "Ours &amp; &lt;i&gt;yours" in html and "First &lt;b&gt;words" in html


def test_names_come_from_the_folders_that_tell_systems_apart(decodes, tmp_path):
    for name in ("lm", "codec"):
        shutil.copytree(decodes / SYSTEMS[1], tmp_path / name / "test" / "wav_voc")
    paths = [str(tmp_path / name / "test" / "wav_voc") for name in ("lm", "codec")]
    assert [s.name for s in read_systems(paths)] == ["lm", "codec"]
    assert [s.name for s in read_systems([f"a={paths[0]}", paths[1]])] == ["a", "wav_voc"]
    scp = decodes / SYSTEMS[0] / "wav.scp"
    assert set(read_systems([f"x={scp}"])[0].wavs) == set(UTTS)


def test_utterances_are_drawn_from_each_split_and_what_all_systems_have(tmp_path):
    (tmp_path / "a").write_text("".join(f"u{i} x\n" for i in range(6)))
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "wav.scp").write_text("".join(f"v{i} x\n" for i in range(6)))
    split_of = read_splits([f"seen={tmp_path / 'a'}", f"new={tmp_path / 'b'}"])
    tables = [{f"{c}{i}": "" for c in "uvw" for i in range(n)} for n in (6, 5)]
    chosen, left = choose(tables, split_of, 3, 0)
    assert sorted(chosen.values()) == ["new"] * 3 + ["seen"] * 3
    assert len(left) == 4 and not set(left) & set(chosen) and "u5" not in {*chosen, *left}
    assert chosen == choose(tables, split_of, 3, 0)[0] != choose(tables, split_of, 3, 1)[0]
    assert len(choose(tables, {}, 0, 0)[0]) == 15


def test_parts_and_once_shorten_a_session(options):
    whole = make_test(TestConfig(**{**options, "kinds": ["mos"], "catch": 0}))
    short = make_test(TestConfig(**{**options, "kinds": ["mos"], "catch": 0, "parts": 2}))
    once = make_test(TestConfig(**{**options, "kinds": ["mos"], "catch": 0, "once": True}))
    assert [m.trials["mos"] for m in (whole, short, once)] == [12, 6, 4]
    assert whole.minutes == pytest.approx(12 * 0.6 / 60)


MISTAKES = {
    "not_there": ({"systems": ["nowhere"]}, "nowhere: no such folder"),
    "twice": ({"systems": ["a={decodes}/quuxvoice", "a={decodes}/plonkwave"]}, "named 'a'"),
    "reserved": ({"systems": ["low_anchor={decodes}/quuxvoice"]}, "the page's own"),
    "one": ({"systems": ["{decodes}/quuxvoice"], "kinds": ["ab"]}, "two or more"),
    "kind": ({"kinds": ["abc"]}, "'abc' (expected one of mos, ab, abx, mushra)"),
    "reference": ({"reference": None}, "mushra without a reference"),
    "many": ({"num_utts": 7}, "6 utterances that all have (expected at least 7)"),
    "parts": ({"parts": 5}, "at most 4"),
    "pairs": ({"pairs": ["quuxvoice,nobody"]}, "--pairs: 'quuxvoice,nobody'"),
    "loud": ({"loudness": 3.0}, "between -70 and 0"),
    "title": ({"title": "Is QuuxVoice best?"}, "names system 'quuxvoice'"),
    "split": ({"splits": ["{decodes}"]}, "NAME=FILE"),
    "key": ({"key": "{tmp}/page/key.json"}, "lies in the page"),
    "seed": ({"seed": -1}, "--seed"),
    "slow": ({"fs": 8000}, "has nothing above 3500 Hz"),
}


@pytest.mark.parametrize(("change", "said"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_one_line(options, decodes, tmp_path, change, said):
    def fill(value):
        if isinstance(value, list):
            return [fill(inner) for inner in value]
        return value.format(decodes=decodes, tmp=tmp_path) if isinstance(value, str) else value

    change = {name: fill(value) for name, value in change.items()}
    if "key" in change:
        change["key"] = Path(change["key"])
    with pytest.raises(UserError) as error:
        make_test(TestConfig(**{**options, **change}))
    assert said in str(error.value) and "\n" not in str(error.value)
    assert not (tmp_path / "page").exists()


@pytest.mark.parametrize(("sec", "gain", "said"), [(0.2, 0.3, "0.20 s long"), (0.6, 0, "silence")])
def test_audio_without_a_loudness_is_named(options, decodes, tmp_path, sec, gain, said):
    shutil.copytree(decodes / SYSTEMS[1], tmp_path / "bad")
    for utt in UTTS:
        write_wav(tmp_path / "bad" / "wav" / f"{utt}.wav", sing(0, gain, sec), FS)
    with pytest.raises(UserError, match=f"bad/wav/songs_0.*{said}"):
        make_test(TestConfig(**{**options, "systems": [str(tmp_path / "bad")], "kinds": ["mos"]}))


def test_a_folder_or_key_of_something_else_is_left_alone(options, tmp_path):
    (tmp_path / "page").mkdir()
    (tmp_path / "page" / "thesis.txt").write_text("years of work")
    with pytest.raises(UserError, match="other files"):
        make_test(TestConfig(**options))
    assert (tmp_path / "page" / "thesis.txt").exists()
    (tmp_path / "key.json").write_text("{}")
    with pytest.raises(UserError, match="not the key"):
        make_test(TestConfig(**{**options, "out_dir": tmp_path / "new"}))
    assert (tmp_path / "key.json").read_text() == "{}"


def test_the_command_says_what_it_made(decodes, tmp_path, capsys):
    systems = [str(decodes / name) for name in SYSTEMS]
    command = [*systems, "-o", str(tmp_path / "page"), "--kinds", "mos", "ab", "--num_utts", "2"]
    with pytest.raises(SystemExit) as stop:
        main(command)
    assert stop.value.code == 0
    said = capsys.readouterr().out
    assert "mos: 6 trials" in said and "ab: 6 trials" in said and "-23.0 LUFS" in said
    assert (tmp_path / "page" / "index.html").is_file() and (tmp_path / "key.json").is_file()
    with pytest.raises(SystemExit):
        main(["--help"])
    shown = capsys.readouterr().out
    assert all(word in shown for word in ("mos", "analyse", "key.json"))
