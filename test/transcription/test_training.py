"""From made-up singing through tokens and a training to notes, by the command lines."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from espnet2_ext.audio.mel import LogMel, MelConfig
from espnet2_ext.audio.pitch import midi_to_hz
from espnet2_ext.audio.wav import write_wav
from espnet2_ext.bin import infer, report
from espnet2_ext.bin import train as train_cli
from espnet2_ext.bin.transcribe import main as transcribe
from espnet2_ext.checkpoint import load_state
from espnet2_ext.errors import UserError
from espnet2_ext.files import ArkWriter, read_scp, write_table, write_text
from espnet2_ext.inference.pack_about import FORMAT
from espnet2_ext.inference.packed_steps import STEPS, PackFiles
from espnet2_ext.score.formats.read import read_score
from espnet2_ext.tokenizer.mel_rvq import MelRVQ, MelRVQConfig
from espnet2_ext.tokenizer.ssl import SSLTokenizer
from espnet2_ext.tokenizer.ssl_features import PhoneFeatures, PhoneFeaturesConfig
from espnet2_ext.tokenizer.tokenizers import Tokenizers, save_tokenizers
from espnet2_ext.transcription.inference import TranscriptionInference

MEL = MelConfig(fs=16000, n_fft=1024, hop_length=320, n_mels=40, fmax=4000)
TOKENIZER_YAML = """
codec: {type: mel_rvq, n_codebooks: 2, codebook_size: 32}
ssl: {type: phone, n_clusters: 4, hidden: 8, dilations: [1]}
"""
PHONES = ["SP", "a"]
NOTES = [60, 64, 67, 72]
TRAIN_YAML = """
model_conf:
  {n_layers: 1, width: 32, n_heads: 2, feedforward: 64, position_kernel: 5, onset: true,
   codec_start: true, truncate: 0.1}
batch_type: unsorted
batch_size: 4
max_epoch: 12
num_iters_per_epoch: 10
optim: adam
optim_conf: {lr: 0.01}
best_model_criterion: [[valid, loss, min]]
keep_nbest_models: 1
num_workers: 0
use_tensorboard: false
use_matplotlib: false
"""


def sing(rng, n_notes=6):
    """Samples, and score frames (L, 4), of tones of a voice with a rest before and after them."""
    rows, samples = [], []
    for index in range(n_notes + 2):
        rest = index in (0, n_notes + 1)
        midi = 0 if rest else int(rng.choice(NOTES))
        n = 10 if rest else int(rng.integers(8, 16))
        time = np.arange(n * MEL.samples_per_token) / MEL.fs
        tone = sum(np.sin(2 * np.pi * k * midi_to_hz(midi) * time) / k for k in range(1, 6))
        level = np.minimum(1.0, time / 0.02)  # a repeated note begins anew
        samples.append((0.001 if rest else 0.2) * level * tone)
        rows += [(int(not rest), midi, index, index)] * n
    noise = 1e-3 * rng.standard_normal(sum(map(len, samples)))
    return (np.concatenate(samples) + noise).astype(np.float32), np.array(rows, np.int32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Tokenizers, tokens of two sets, wavs and a trained model."""
    root = tmp_path_factory.mktemp("svt")
    rng = np.random.default_rng(0)
    torch.manual_seed(0)
    sets = {"train": [sing(rng) for _ in range(24)], "dev": [sing(rng) for _ in range(4)]}
    mel = LogMel(MEL)
    frames = torch.cat([mel(torch.from_numpy(wav)[None])[0] for wav, _ in sets["train"]])
    codec = MelRVQ(MEL, MelRVQConfig(2, 32, n_iter=5)).fit(frames)
    features = PhoneFeatures(MEL, PhoneFeaturesConfig(hidden=8, dilations=[1]), 2)
    write_text(root / "tokenizer.yaml", TOKENIZER_YAML)
    write_text(root / "mel.yaml", "fs: 16000\nhop_length: 320\nn_mels: 40\nfmax: 4000\n")
    save_tokenizers(
        root / "tokenizer", root / "tokenizer.yaml", root / "mel.yaml", codec,
        SSLTokenizer(features, torch.randn(4, 2), MEL.fs, MEL.fps), PHONES, frames,
    )  # fmt: skip
    tokenizers = Tokenizers.load(root / "tokenizer")
    for name, utts in sets.items():
        with (
            ArkWriter(root / name, "codec_ssl") as codes,
            ArkWriter(root / name, "score_frames") as scores,
            ArkWriter(root / name, "f0") as f0,
        ):
            for k, (wav, score) in enumerate(utts):
                codes[f"u{k:02}"] = tokenizers.encode(wav).numpy().astype(np.int32).reshape(-1)
                scores[f"u{k:02}"] = score.reshape(-1)
                f0[f"u{k:02}"] = np.where(score[:, 1], midi_to_hz(score[:, 1]), 0).astype("f4")
                write_wav(root / name / f"u{k:02}.wav", wav, MEL.fs)
        lengths = {f"u{k:02}": len(score) for k, (_, score) in enumerate(utts)}
        write_table(root / name / "utt2num_frames", lengths)
    write_text(root / "train.yaml", TRAIN_YAML)
    train(root, root / "exp")
    return root


def run(main, *argv):
    with pytest.raises(SystemExit) as status:
        main([str(a) for a in argv])
    return status.value.code


def train(root, exp, *options, status=0):
    data = []
    for split, name in (("train", "train"), ("valid", "dev")):
        for stream in ("codec_ssl", "score_frames"):
            option = f"--{split}_data_path_and_name_and_type"
            data += [option, f"{root / name / stream}.scp,{stream},kaldi_ark"]
        data += [f"--{split}_shape_file", root / name / "utt2num_frames"]
    argv = ["--config", root / "train.yaml", "--tokenizer_dir", root / "tokenizer"]
    argv += ["--output_dir", exp, *data, *options]
    assert run(train_cli.main, "transcription", *argv) == status


def model(root):
    exp = root / "exp"
    return "--train_config", exp / "config.yaml", "--model_file", exp / "valid.loss.best.pth"


def test_notes_this_plain_are_heard_and_told_apart(folder, capsys):
    out = folder / "report.json"
    sets = ("--token_dir", folder / "dev", "--train_token_dir", folder / "train")
    assert run(report.main, "transcription", *model(folder), *sets, "--output", out) == 0
    result = json.loads(out.read_text())
    heard, f0, majority = (result["systems"][n] for n in ("model", "f0", "majority_pitch"))
    assert heard["frames"]["accuracy"] > 0.95
    assert heard["notes_of_frames"]["COnPOff"] > 0.9, "repeated notes among them"
    assert f0["frames"]["accuracy"] > 0.95, "F0 is the score's here"
    assert f0["notes_of_frames"]["COn"] < heard["notes_of_frames"]["COn"]
    assert majority["notes_of_frames"]["COn"] < 0.1
    assert f"| model | {heard['frames']['accuracy']:.3f} |" in capsys.readouterr().out


def test_pitch_tokens_of_a_table(folder, tmp_path):
    codes = ("--codec_ssl", folder / "dev" / "codec_ssl.scp", "--output_dir", tmp_path / "out")
    assert run(infer.main, "transcription", *model(folder), *codes) == 0
    found, truth = (
        read_scp(p) for p in (tmp_path / "out/pitch.scp", folder / "dev/score_frames.scp")
    )
    for utt, frames in truth.items():
        pitch = np.asarray(frames).reshape(-1, 4)[:, 1]
        assert np.mean(np.asarray(found[utt]) == pitch) > 0.9


@pytest.mark.parametrize("suffix", ["mid", "musicxml", "TextGrid"])
def test_a_recording_becomes_a_score_that_reads_back(folder, tmp_path, suffix):
    wav, out = folder / "dev/u01.wav", tmp_path / f"out.{suffix}"
    assert run(transcribe, wav, "--model", folder / "exp", "-o", out, "--tempo", 90) == 0
    frames = np.asarray(read_scp(folder / "dev/score_frames.scp")["u01"]).reshape(-1, 4)
    starts = np.flatnonzero(np.diff(frames[:, 3], prepend=-1))
    truth = [(start / 50, int(frames[start, 1])) for start in starts if frames[start, 1]]
    notes = [note for note in read_score(out).notes if not note.is_rest]
    assert [note.midi for note in notes] == [midi for _, midi in truth]
    assert {note.lyric for note in notes} == {"a"}
    assert max(abs(n.start_sec - t) for n, (t, _) in zip(notes, truth, strict=True)) < 0.05


def test_other_rates_channels_and_levels_are_heard_alike(folder, tmp_path):
    import soundfile
    import soxr

    wav, fs = soundfile.read(folder / "dev/u02.wav")
    stereo = np.stack([soxr.resample(wav, fs, 44100)] * 2, 1)
    soundfile.write(tmp_path / "stereo.flac", stereo, 44100)
    write_wav(tmp_path / "soft.wav", 0.05 * wav, fs)
    wavs = (folder / "dev/u02.wav", tmp_path / "stereo.flac", tmp_path / "soft.wav")
    assert run(transcribe, *wavs, "--model", folder / "exp", "-o", tmp_path / "out") == 0
    scores = [read_score(tmp_path / f"out/{path.stem}.mid") for path in wavs]
    first, *others = ([note.midi for note in score.notes] for score in scores)
    assert others == [first, first]


def test_several_recordings_go_into_a_folder(folder, tmp_path, capsys):
    wavs = [folder / "dev/u00.wav", folder / "dev/u01.wav"]
    exp = ("--model", folder / "exp")
    assert run(transcribe, *wavs, *exp, "-o", tmp_path / "out", "--format", "musicxml") == 0
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["u00.musicxml", "u01.musicxml"]
    assert run(transcribe, *wavs, *exp, "-o", tmp_path / "one.mid") == 2
    assert "one score for 2 recordings" in capsys.readouterr().err


def test_a_pack_with_the_model_transcribes_as_its_experiment(folder, tmp_path):
    import shutil

    import yaml

    from espnet2_ext.checkpoint import save_safetensors

    pack = tmp_path / "pack"
    shutil.copytree(folder / "tokenizer", pack / "tokenizer")
    (pack / "transcription").mkdir()
    config = yaml.safe_load((folder / "exp/config.yaml").read_text())
    config["tokenizer_dir"] = "elsewhere"
    write_text(pack / "transcription/config.yaml", yaml.safe_dump(config))
    state = load_state(folder / "exp/valid.loss.best.pth")
    save_safetensors(state, pack / "transcription/model.safetensors")
    write_text(pack / "manifest.json", json.dumps({"format": FORMAT}))
    shutil.make_archive(str(pack), "zip", pack)
    wav = folder / "dev/u03.wav"
    for given, name in ((pack, "a"), (tmp_path / "pack.zip", "b"), (folder / "exp", "c")):
        assert run(transcribe, wav, "--model", given, "-o", tmp_path / f"{name}.mid") == 0
    a, b, c = ((tmp_path / f"{name}.mid").read_bytes() for name in "abc")
    assert a == b == c

    tokenizers = Tokenizers.load(folder / "tokenizer")
    step = STEPS["transcription"].build(PackFiles(pack, tokenizers), "transcription")
    step.check(tokenizers, None, "pack")
    tokens = torch.from_numpy(np.array(read_scp(folder / "dev/codec_ssl.scp")["u03"])).long()
    assert step({"codec_ssl": [tokens.view(-1, 3)]}, ["u03"])["pitch"][0].dtype == torch.int64
    other = TranscriptionInference(step.model.net, replace(step.model.geometry, ssl_size=9))
    with pytest.raises(UserError, match="as the tokenizers"):
        replace(step, model=other).check(tokenizers, None, "pack")


def refused(capsys, *argv):
    """One line on stderr."""
    capsys.readouterr()
    assert run(transcribe, *argv) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error")]
    assert len(lines) == 1
    return lines[0]


def test_bad_input_ends_in_one_line(folder, tmp_path, capsys):
    wav, exp = folder / "dev/u00.wav", ("--model", folder / "exp")
    out = ("-o", tmp_path / "o.mid")
    write_wav(tmp_path / "silence.wav", np.zeros(16000), 16000)
    write_text(tmp_path / "text.wav", "no audio")
    assert "no notes are heard" in refused(capsys, tmp_path / "silence.wav", *exp, *out)
    assert "not readable as audio" in refused(capsys, tmp_path / "text.wav", *exp, *out)
    assert "no such file" in refused(capsys, tmp_path / "none.wav", *exp, *out)
    assert "--tempo" in refused(capsys, wav, *exp, *out, "--tempo", "0")
    assert "--lang" in refused(capsys, wav, *exp, *out, "--lang", "xx")
    assert "no transcription model" in refused(capsys, wav, "--model", tmp_path, *out)
    assert "no such file" in refused(capsys, wav, "--model", tmp_path / "no.zip", *out)
    assert ".xyz" in refused(capsys, wav, *exp, "-o", tmp_path / "o.xyz")
    assert "only read" in refused(capsys, wav, *exp, "-o", tmp_path / "o.lab")
    assert not list(Path(tmp_path).glob("o.*"))


def test_other_tokenizers_and_unknown_options_are_refused(folder, tmp_path, capsys):
    geometry = "{ssl_size: 4, n_codebooks: 9, codebook_size: 32, codec_dim: 80, fps: 50}"
    train(folder, tmp_path / "exp", "--geometry", geometry, status=2)
    assert "tokenizer's sizes" in capsys.readouterr().err
    train(folder, tmp_path / "exp", "--model_conf", "width=31", status=2)
    assert "a width of 31 for" in capsys.readouterr().err
