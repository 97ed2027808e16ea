"""A trained mel-VAE: mels to normalised latents, and back."""

import math
from argparse import Namespace
from pathlib import Path

import torch
from torch import Tensor

from espnet2_ext.audio.mel import MelConfig
from espnet2_ext.checkpoint import build_strict, load_state
from espnet2_ext.errors import UserError
from espnet2_ext.files import read_yaml
from espnet2_ext.mel_vae.autoencoder import MelAutoencoder
from espnet2_ext.mel_vae.build import build_mel_vae


class MelVAE:
    """An autoencoder with frozen weights.

    Latents have mean 0 and deviation 1 in each channel over the training set: a flow may start from
    noise, and `decode` takes what it makes.

    Args:
        autoencoder: Trained.
        device: Where to compute.
    """

    def __init__(self, autoencoder: MelAutoencoder, device: str | torch.device = "cpu") -> None:
        self.autoencoder = autoencoder.eval().requires_grad_(False).to(device)
        self.device = torch.device(device)

    @classmethod
    def load(
        cls, config: str | Path, checkpoint: str | Path, device: str | torch.device = "cpu"
    ) -> "MelVAE":
        """Build from a run's ``config.yaml`` and a checkpoint (``.pth`` or ``.safetensors``).

        Raises:
            UserError: a file is missing or broken, or the two do not belong together.
        """
        args, state = Namespace(**read_yaml(config)), load_state(checkpoint)
        model = build_strict(lambda: build_mel_vae(args, config), state, config, checkpoint)
        return cls(model.generator, device)

    @property
    def mel(self) -> MelConfig:
        return self.autoencoder.mel

    @property
    def channels(self) -> int:
        """Of a latent frame, C."""
        return self.autoencoder.channels

    @property
    def mel_frames(self) -> int:
        """Mel frames of a latent frame."""
        return self.autoencoder.mel_frames

    @property
    def frames_per_sec(self) -> float:
        """Latent frames a second."""
        return self.autoencoder.frames_per_sec

    @torch.inference_mode()
    def encode(self, mel: Tensor, sample: bool = False) -> Tensor:
        """Latents (L, C) of natural-log mel (T, n_mels), on the CPU; L = ceil(T / mel_frames).

        Args:
            mel: Silence is added where its last latent frame is not full.
            sample: Draw from the posterior (PyTorch's global generator); else its mean.

        Raises:
            UserError: a mel of another shape, or values that are not finite.
        """
        self._check(mel, self.mel.n_mels, "mel")
        silence = math.log(self.mel.floor)
        missing = -len(mel) % self.mel_frames
        whole = torch.nn.functional.pad(mel.float(), (0, 0, 0, missing), value=silence)
        posterior = self.autoencoder.posterior(whole[None].to(self.device))
        z = posterior.sample() if sample else posterior.mean
        return self.autoencoder.scale.normalise(z)[0].cpu()

    @torch.inference_mode()
    def decode(self, latents: Tensor) -> Tensor:
        """Natural-log mel (L * mel_frames, n_mels) of latents (L, C), on the CPU.

        Raises:
            UserError: latents of another shape, or values that are not finite.
        """
        self._check(latents, self.channels, "latents")
        z = self.autoencoder.scale.restore(latents[None].float().to(self.device))
        floor = math.log(self.mel.floor)
        return self.autoencoder.decode(z)[0].clamp_min(floor).cpu()

    @staticmethod
    def _check(values: Tensor, width: int, name: str) -> None:
        if values.dim() != 2 or not len(values) or values.size(1) != width:
            raise UserError("mel-VAE", f"{tuple(values.shape)}", f"(frames, {width})", name)
        if not torch.isfinite(values).all():
            raise UserError("mel-VAE", "values that are not finite", "finite ones", name)
