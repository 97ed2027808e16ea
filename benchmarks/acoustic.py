"""Flow and vocoder of the embedded recipe's sizes, for the benchmarks: trained, or random."""

from argparse import Namespace
from pathlib import Path

import torch
from random_lm import CONF, ROOT

from espnet2_ext.audio.mel import MelConfig
from espnet2_ext.files import read_yaml
from espnet2_ext.flow.build import Geometry, build_model
from espnet2_ext.flow.inference import FlowInference, SamplingConfig, load_sampling
from espnet2_ext.vocoder.inference import VocoderInference

N_CODES, N_CODEBOOKS, N_PHONES = 256, 4, 60


def load_flow(
    exp: Path | None, device: str = "cpu", bfloat16: str | None = None, batch_frames: int = 4000
) -> FlowInference:
    """The flow of an experiment's folder; None: conf/train_flow.yaml with random weights."""
    if exp is not None:
        weights = exp / "valid.loss.best.pth"
        return FlowInference.load(
            exp / "config.yaml", weights, device, None, batch_frames, bfloat16
        )
    mel = MelConfig()
    dim = mel.n_mels * mel.frames_per_token
    geometry = Geometry(N_CODES, N_CODEBOOKS, N_CODES, dim, mel.asdict(), True, n_phones=N_PHONES)
    options = {"condition_conf": {}, "velocity_conf": {}, **read_yaml(CONF / "train_flow.yaml")}
    model = build_model(Namespace(**options), geometry)
    return FlowInference(model.to(device), 150, batch_frames, bfloat16)


def load_vocoder(
    exp: Path | None,
    config: str = "train_vocoder.yaml",
    device: str = "cpu",
    bfloat16: bool = False,
) -> VocoderInference:
    """The vocoder of an experiment's folder; None: `config` of conf/ with random weights."""
    dtype = "bfloat16" if bfloat16 else None
    if exp is not None:
        files = (exp / "config.yaml", exp / "valid.loss.best.pth")
        return VocoderInference.load(*files, device, dtype)
    from espnet2_ext.tasks.vocoder import VocoderTask

    argv = ["--config", str(CONF / config), "--output_dir", "unused"]
    argv += ["--mel_config", str(ROOT / "conf/mel.yaml")]
    model = VocoderTask.build_model(VocoderTask.get_parser().parse_args(argv))
    return VocoderInference(model.vocoder, model.f0_predictor, device, dtype)


def sampling() -> SamplingConfig:
    """That of the embedded recipe."""
    return load_sampling(CONF / "decode_flow.yaml")


def random_utterances(
    flow: FlowInference, lengths: list[int]
) -> tuple[list[torch.Tensor], list[torch.Tensor], list[torch.Tensor]]:
    """Tokens, scores (F, 4) and prompts of utterances of so many token frames."""
    generator = torch.Generator().manual_seed(0)
    sizes = torch.tensor(flow.model.geometry.sizes)

    def codes(n: int) -> torch.Tensor:
        return (torch.rand(n, len(sizes), generator=generator) * sizes).long()

    notes = [torch.randint(55, 75, (n // 15 + 1,), generator=generator) for n in lengths]
    n_phones, scores = max(1, flow.model.geometry.n_phones), []
    for midi, n in zip(notes, lengths, strict=True):
        index = torch.arange(len(midi))  # of note and phone: each note sings one
        rows = torch.stack([index % n_phones, midi, index, index], 1)
        scores.append(rows.repeat_interleave(15, 0)[:n])
    return [codes(n) for n in lengths], scores, [codes(100) for _ in lengths]


def random_features(n_frames: int, mel: MelConfig) -> tuple[torch.Tensor, torch.Tensor]:
    """A mel and an F0 of so many frames."""
    generator = torch.Generator().manual_seed(0)
    f0 = 220 + 20 * torch.sin(torch.arange(n_frames) / 8)
    f0[::4] = f0[::4] * (torch.arange(len(f0[::4])) % 9 > 1)
    return torch.randn(n_frames, mel.n_mels, generator=generator) - 5, f0


def librosa_griffin_lim(log_mel: torch.Tensor, mel: MelConfig, n_iter: int = 32) -> object:
    """librosa's mel inversion: non-negative least squares, then Griffin-Lim."""
    import librosa

    power = log_mel.exp().T.numpy()
    band = {"n_mels": mel.n_mels, "fmin": mel.fmin, "fmax": mel.fmax}
    basis = librosa.filters.mel(sr=mel.fs, n_fft=mel.n_fft, **band)
    magnitude = librosa.util.nnls(basis, power)
    frame = {"hop_length": mel.hop_length, "win_length": mel.win_length, "n_fft": mel.n_fft}
    return librosa.griffinlim(magnitude, n_iter=n_iter, random_state=0, **frame)
