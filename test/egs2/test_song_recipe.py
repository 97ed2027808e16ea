"""The recipe of InstructAudio, whole, with its debug configurations; and its pack."""

import json

import numpy as np
import pytest
import soundfile

from espnet2_ext.bin import sing, speak
from espnet2_ext.files import read_yaml
from espnet2_ext.inference.described_synthesizer import DescribedSynthesizer
from espnet2_ext.score.music_score import MusicScore, Note

from .recipes import ROOT, finish, start, whole_checkout

CONF = ROOT / "egs2/mini_song/instructaudio1/conf"
SETS = ("test", "test_phrasing", "test_combination")
SYSTEMS = ("ground_truth", "vocoder_gt_mel", "vae_resynthesis", "instructaudio")
INSTRUCTION = "A young man speaks calmly."


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    """The recipe, run from nothing to a pack."""
    folder = (
        whole_checkout(tmp_path_factory.mktemp("songs")).parents[1] / "mini_song/instructaudio1"
    )
    finish(start(folder, "--test_sets", " ".join(SETS)))
    return folder


def run(main, *argv) -> int:
    with pytest.raises(SystemExit) as end:
        main([str(a) for a in argv])
    return end.value.code


def test_no_batch_of_the_flow_is_one_recording_in_several_descriptions():
    """ESPnet sorts by length, or not at all: descriptions of one recording are neighbours."""
    trainings = [p for p in CONF.rglob("*train_latent_flow*.yaml") if "debug" not in p.name]
    assert len(trainings) == 4
    for path in trainings:
        conf = read_yaml(path)
        assert conf["batch_type"] == "unsorted" and conf["shuffle_within_batch"] is True, path


def test_every_stage_runs_and_none_twice(recipe):
    results = json.loads((recipe / "exp/results.json").read_text())
    assert {(r["split"], r["system"]) for r in results} == {(s, r) for s in SETS for r in SYSTEMS}
    assert all(row["synthetic"] for row in results)
    truth = next(r for r in results if r["system"] == "ground_truth" and r["split"] == "test")
    for metric in ("song_per", "speech_per", "acc_gender", "acc_rhythm", "melody_acc", "lsd_db"):
        assert truth["metrics"][metric] is not None, metric
    html = (recipe / "exp/report/index.html").read_text()
    assert html.count("<audio") == sum(row["n_utt"] for row in results)
    said = finish(start(recipe, "--test_sets", " ".join(SETS)))
    for number in range(1, 14):
        assert f"(main) stage {number}: done before, nothing to do" in said


def test_the_pack_speaks_and_sings_what_it_is_told(recipe, tmp_path):
    (pack,) = recipe.glob("exp/packed/*.zip")
    model = DescribedSynthesizer.from_pretrained(pack)
    spoken = model.speak("[S0] hello there [S1] 你好", INSTRUCTION, seconds=1.5)
    assert len(spoken.wav) == round(1.5 * spoken.fs) and np.ptp(spoken.wav) > 0
    again = model.speak("[S0] hello there [S1] 你好", INSTRUCTION, seconds=1.5)
    other = model.speak("[S0] hello there [S1] 你好", INSTRUCTION, seconds=1.5, seed=1)
    np.testing.assert_array_equal(spoken.wav, again.wav)
    assert not np.array_equal(spoken.wav, other.wav)
    notes = (Note(0, 0.5, 62, "la", ("l", "a")), Note(0.5, 1.0, 64, "la", ("l", "a")))
    sung = model.sing(MusicScore(notes), "A calm song.")
    assert sung.timing == "model" and len(sung.wav) == sung.fs and np.isfinite(sung.wav).all()
    wav, fs = model.sing_lyrics("la la", "A calm song.", 0.8)
    assert len(wav) == round(0.8 * fs)

    out = tmp_path / "out.wav"
    told = ("--model", pack, "--instruction", INSTRUCTION, "-o", out)
    assert run(speak.main, "hello there", *told, "--seconds", "0.6") == 0
    assert soundfile.info(out).duration == pytest.approx(0.6, abs=0.02)
    words = tmp_path / "words.txt"
    words.write_text("你好\n")
    assert run(sing.main, words, *told, "--seconds", "0.8") == 0
    assert soundfile.info(out).duration == pytest.approx(0.8, abs=0.02)


def test_what_cannot_be_said_is_one_line(recipe, tmp_path, capsys):
    (pack,) = recipe.glob("exp/packed/*.zip")
    told = ("--model", pack, "--instruction", INSTRUCTION, "-o", tmp_path / "out.wav")
    words = tmp_path / "words.txt"
    words.write_text("你好\n")
    for command, expected in (
        ((speak.main, "[S7] hello", *told), "[S7]"),
        ((speak.main, "hello", *told, "--seconds", "0"), "--seconds: 0"),
        ((speak.main, "hello", *told, "--seconds", "1000"), "length: 1000.00 s"),
        ((sing.main, words, *told), "--seconds: lyrics without a length"),
        ((sing.main, words, *told, "--seconds", "1", "--singer", "a"), "--singer with --instru"),
    ):
        assert run(*command) == 2
        assert expected in capsys.readouterr().err
    assert not (tmp_path / "out.wav").exists()
