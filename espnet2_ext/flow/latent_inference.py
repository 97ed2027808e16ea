"""Draw latents from a trained flow: batched by length, each utterance as if it were alone."""

import argparse
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from espnet2_ext.checkpoint import build_strict, load_state
from espnet2_ext.data.batch import Batch
from espnet2_ext.device import autocast
from espnet2_ext.errors import UserError
from espnet2_ext.files import parse_config, read_yaml
from espnet2_ext.flow.build import build_model
from espnet2_ext.flow.model import MelFlow
from espnet2_ext.flow.sampler import ADAPTIVE_SOLVERS, SamplingConfig
from espnet2_ext.flow.token_embedding import Geometry

_DEFAULTS = {"condition_conf": {}, "velocity": "convnext", "velocity_conf": {}, "model_conf": {}}


class LatentInference:
    """A trained flow of latents.

    Args:
        model: The model.
        batch_frames: Latent frames of one batch, padding included.
        dtype: Of the networks' products (`device.DTYPES`); None: as the model was configured.
    """

    def __init__(self, model: MelFlow, batch_frames: int = 8000, dtype: str | None = None) -> None:
        self.model, self.batch_frames, self.dtype = model.eval(), batch_frames, dtype
        if dtype is not None:
            self.model.config = replace(model.config, bfloat16="off")

    @classmethod
    def load(
        cls,
        config: str | Path,
        weights: str | Path,
        device: str | torch.device = "cpu",
        batch_frames: int = 8000,
        dtype: str | None = None,
    ) -> "LatentInference":
        """Load a trained model, strictly.

        Args:
            config: config.yaml of the experiment.
            weights: Plain ``.pth`` or ``.safetensors``.
            device: Where it runs.
            batch_frames: As in the constructor.
            dtype: As in the constructor.

        Raises:
            UserError: weights and configuration do not fit, or are of another kind of flow.
        """
        args = argparse.Namespace(**{**_DEFAULTS, **read_yaml(config)})
        geometry = parse_config(
            Geometry, getattr(args, "geometry", None) or {}, f"{config}: geometry"
        )
        if not geometry.latent_dim:
            raise UserError(config, "missing", "a flow of latents", "geometry: latent_dim")
        state = load_state(weights)
        model = build_strict(lambda: build_model(args, geometry, config), state, config, weights)
        return cls(model.to(device), batch_frames, dtype)

    @property
    def streams_read(self) -> tuple[str, ...]:
        """Streams that the model's conditions read."""
        return self.model.streams_read

    @torch.no_grad()
    def generate(
        self,
        lengths: Sequence[int],
        streams: Mapping[str, Sequence[Tensor]],
        config: SamplingConfig | None = None,
        names: Sequence[str] | None = None,
    ) -> list[Tensor]:
        """Latents (L, C) of utterances of any lengths, in their order, on the CPU.

        An utterance's noise is seeded by ``config.seed`` and its name, so results depend neither on
        the batch nor on the order.

        Args:
            lengths: Latent frames of each utterance.
            streams: What the conditions read: name -> per utterance its values. A condition whose
                stream is not given is left out.
            config: Sampling options.
            names: Of the utterances, for noise and errors; None: their numbers.

        Raises:
            UserError: a stream that no condition reads or of too few utterances, a length below 1,
                or guidance that the model cannot give.
        """
        config = config or SamplingConfig()
        names = names or [f"{k}" for k in range(len(lengths))]
        self._check(lengths, streams, names)
        self.model.check_guidance(config)
        latents: dict[int, Tensor] = {}
        for batch in self._batches(lengths, config.solver in ADAPTIVE_SOLVERS):
            noise = [self.noise(lengths[k], f"{config.seed} {names[k]}") for k in batch]
            rows = {name: [values[k] for k in batch] for name, values in streams.items()}
            latents.update(zip(batch, self._generate_batch(noise, rows, config), strict=True))
        return [latents[k] for k in range(len(lengths))]

    def _batches(self, lengths: Sequence[int], alone: bool) -> list[list[int]]:
        """Utterances of about one length each; `alone`: one by one."""
        batches: list[list[int]] = []
        for k in sorted(range(len(lengths)), key=lambda k: -lengths[k]):
            fits = batches and (len(batches[-1]) + 1) * lengths[batches[-1][0]] <= self.batch_frames
            if fits and not alone:
                batches[-1].append(k)
            else:
                batches.append([k])
        return batches

    def _generate_batch(
        self, noise: list[Tensor], rows: dict[str, list[Tensor]], config: SamplingConfig
    ) -> list[Tensor]:
        device = self.model.device
        batch = Batch.of(device, latents=noise, **rows)  # the noise says how many frames there are
        with autocast(device, self.dtype):
            x_0 = pad_sequence(noise, batch_first=True).to(device)
            features = self.model.generate(batch, x_0, config)
        return [f.latents.cpu() for f in features]

    def noise(self, n_frames: int, seed: str) -> Tensor:
        """Unit noise (n_frames, C), on the CPU."""
        generator = torch.Generator().manual_seed(zlib.crc32(seed.encode()))
        return torch.randn(n_frames, self.model.space.dim, generator=generator)

    def _check(
        self, lengths: Sequence[int], streams: Mapping[str, Sequence[Tensor]], names: Sequence[str]
    ) -> None:
        read = self.streams_read
        for name, values in streams.items():
            if name not in read:
                raise UserError("flow", "not read by this model", f"one of {', '.join(read)}", name)
            if len(values) != len(lengths):
                raise UserError("flow", f"{len(values)}", f"{len(lengths)} utterances", name)
        for name, length in zip(names, lengths, strict=True):
            if length < 1:
                raise UserError(name, f"{length} frames", "at least one", "length")
