"""Vocoders train through the command line, and what they wrote renders to wav files."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import yaml

from espnet2_ext.audio.mel import LogMel, MelConfig
from espnet2_ext.files import ArkWriter, read_table, write_table

ROOT = Path(__file__).parents[2]
CONF = ROOT / "egs2/mini_singing/speechlm1/conf"
MEL = MelConfig()
N_UTTS = 4


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import torch

    folder = tmp_path_factory.mktemp("tokens")
    rng = np.random.default_rng(0)
    wavs = {}
    with ArkWriter(folder, "mel") as mels, ArkWriter(folder, "f0") as f0s:
        for number in range(N_UTTS):
            n_frames = 30 + 2 * number
            wav = 0.1 * np.sin(np.arange(n_frames * MEL.hop_length) * 0.06)
            wav += 0.01 * rng.standard_normal(len(wav))
            path = folder / f"utt{number}.wav"
            soundfile.write(path, wav, MEL.fs)
            wavs[f"utt{number}"] = str(path)
            mel = LogMel(MEL)(torch.from_numpy(wav).float().unsqueeze(0))[0]
            mels[f"utt{number}"] = mel.numpy()
            f0s[f"utt{number}"] = np.full(n_frames, 229.0)
    write_table(folder / "wav.scp", wavs)
    return folder


def run(main: Callable[[list[str]], None], *arguments: object) -> int:
    with pytest.raises(SystemExit) as done:
        main([str(a) for a in arguments])
    return done.value.code


def train_options(name: str, data: Path, exp: Path) -> list[object]:
    streams = []
    for split in ("train", "valid"):
        for stream in ("mel.scp,mel,kaldi_ark", "f0.scp,f0,kaldi_ark", "wav.scp,wav,sound"):
            streams += [f"--{split}_data_path_and_name_and_type", f"{data}/{stream}"]
        streams += [f"--{split}_shape_file", f"{data}/wav.scp"]
    options = ["--config", CONF / f"{name}.yaml", "--mel_config", ROOT / "conf/mel.yaml"]
    return [*options, "--ngpu", 0, "--output_dir", exp, *streams]


@pytest.mark.parametrize(
    "name",
    [
        "train_vocoder_debug",
        "train_vocoder_hifigan_debug",
        "train_vocoder_nsf_hifigan_debug",
        "train_vocoder_vocos_debug",
    ],
)
def test_train_then_render(name: str, data: Path, tmp_path: Path) -> None:
    from espnet2_ext.bin import infer, train

    assert run(train.main, "vocoder", *train_options(name, data, tmp_path / "exp")) == 0
    stored = yaml.safe_load((tmp_path / "exp/config.yaml").read_text())
    assert stored["mel_config"] == MEL.asdict()  # the run needs no other file

    def render(*options: object) -> int:
        arguments = ["--model_dir", tmp_path / "exp", "--mel_scp", data / "mel.scp"]
        arguments += ["--batch_size", 2]
        return run(infer.main, "vocoder", *arguments, "--output_dir", tmp_path / "out", *options)

    assert render("--shard", 1, "--num_shards", 2) == 0
    assert not (tmp_path / "out/wav.scp").exists()  # the second shard is missing
    assert render("--shard", 2, "--num_shards", 2) == 0
    table = read_table(tmp_path / "out/wav.scp")
    assert list(table) == [f"utt{i}" for i in range(N_UTTS)]
    for number, path in enumerate(table.values()):
        info = soundfile.info(path)
        assert (info.samplerate, info.subtype) == (MEL.fs, "PCM_16")
        assert info.frames == (30 + 2 * number) * MEL.hop_length
    before = Path(table["utt0"]).stat().st_mtime_ns
    assert render() == 0
    assert Path(table["utt0"]).stat().st_mtime_ns == before  # kept
    if stored["vocoder"] not in ("hifigan", "vocos"):  # which hear no F0
        assert render("--f0_scp", data / "f0.scp") == 0
        assert Path(table["utt0"]).stat().st_mtime_ns != before  # from another F0
        assert render("--f0_source", "score") == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"vocoder_conf": {"dimm": 3}}, "error: vocoder_conf: .*dimm"),
        ({"model_conf": {"lambda_bass": 3}}, "error: model_conf: .*lambda_bass"),
        ({"vocodder": "hifigan"}, "error: .*train.yaml: unknown key 'vocodder'"),
        ({"train_shape_file": ["nowhere/shape"]}, "error: nowhere/shape: no such file"),
        ({"mel_config": "nowhere.yaml"}, "error: nowhere.yaml"),
    ],
)
def test_a_wrong_configuration_ends_in_one_line(
    change: dict, message: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    from espnet2_ext.bin import train

    config = yaml.safe_load((CONF / "train_vocoder_debug.yaml").read_text()) | change
    config.setdefault("mel_config", str(ROOT / "conf/mel.yaml"))
    (tmp_path / "train.yaml").write_text(yaml.safe_dump(config))
    options = ["--config", tmp_path / "train.yaml", "--output_dir", tmp_path / "exp", "--ngpu", 0]
    assert run(train.main, "vocoder", *options) == 2
    assert re.search(message, capsys.readouterr().err.strip().splitlines()[-1])


def mel_of(config: Path) -> Path:
    """The mel configuration that a vocoder's configuration is for, by its name."""
    if "paper" in config.stem:
        return config.with_name("paper_mel.yaml")
    rate = next((rate for rate in ("_44k_512", "_44k", "_48k") if rate in config.stem), "")
    return ROOT / f"conf/mel{rate}.yaml"


@pytest.mark.parametrize("rate", ["44k", "48k"])
@pytest.mark.parametrize(
    "name",
    [
        "train_vocoder_debug",
        "train_vocoder_hifigan_{}_debug",
        "train_vocoder_nsf_hifigan_{}_debug",
    ],
)
def test_a_vocoder_makes_samples_at_rates_of_published_singing(name: str, rate: str) -> None:
    import torch

    from espnet2_ext.tasks.vocoder import VocoderTask

    mel = MelConfig.load(ROOT / f"conf/mel_{rate}.yaml")
    options = ["--config", str(CONF / f"{name.format(rate)}.yaml"), "--output_dir", "unused"]
    options += ["--mel_config", str(ROOT / f"conf/mel_{rate}.yaml")]
    torch.manual_seed(0)
    model = VocoderTask.build_model(VocoderTask.get_parser().parse_args(options))
    wav = 0.1 * torch.sin(torch.arange(30 * mel.hop_length) * 2 * torch.pi * 220 / mel.fs)
    frames = LogMel(mel)(wav[None])
    assert frames.shape == (1, 30, mel.n_mels)
    made = model.vocoder(frames, torch.full((1, 30), 220.0))
    assert made.shape[-1] == len(wav) and torch.isfinite(made).all()


@pytest.mark.parametrize(
    "config", sorted(CONF.glob("**/*vocoder*.yaml")), ids=lambda path: path.stem
)
def test_every_shipped_config_builds(config: Path) -> None:
    import torch

    from espnet2_ext.tasks.vocoder import VocoderTask

    mel = mel_of(config)
    options = ["--config", str(config), "--mel_config", str(mel), "--output_dir", "unused"]
    args = VocoderTask.get_parser().parse_args(options)
    with torch.device(
        "cpu" if args.vocoder == "source_filter" else "meta"
    ):  # no memory for large ones
        model = VocoderTask.build_model(args)
    assert model.vocoder.mel == MelConfig.load(mel)
    assert len(VocoderTask.build_optimizers(args, model)) == 1 + (args.discriminator is not None)


@pytest.mark.slow
def test_two_processes_end_with_the_same_weights(
    data: Path, two_ranks: Callable[..., list[str]], tmp_path: Path
) -> None:
    options = train_options("train_vocoder_hifigan_debug", data, tmp_path / "exp")
    printed = two_ranks("espnet2_ext.tasks.vocoder:VocoderTask", *options)
    one, other = [line for line in printed if line.startswith("weights ")]
    assert one == other
    assert (tmp_path / "exp/valid.loss.best.pth").is_file()
