"""Conditional flow matching: tokens to mel or codec embeddings (SLM-SVS paper, section 2.3), or any
conditions to the latents of a mel-VAE (InstructAudio, arXiv 2511.18487).
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from espnet2.torch_utils.device_funcs import force_gatherable
from espnet2.train.abs_espnet_model import AbsESPnetModel
from torch import LongTensor, Tensor, nn

from espnet2_ext.conditions.condition import NULL, Condition
from espnet2_ext.conditions.registry import streams_read
from espnet2_ext.data.batch import Batch
from espnet2_ext.flow.condition import Joined, JointCondition
from espnet2_ext.flow.config import FlowConfig
from espnet2_ext.flow.corruption import corrupt
from espnet2_ext.flow.encoded_conditions import Conditions
from espnet2_ext.flow.features import LATENT_SPACE, Features, FeatureSpace
from espnet2_ext.flow.guidance import check_guidance, guided
from espnet2_ext.flow.loss import masked_loss
from espnet2_ext.flow.own_pitch import OwnPitch, joined
from espnet2_ext.flow.path import LinearPath
from espnet2_ext.flow.sampled_errors import sampled_errors
from espnet2_ext.flow.sampler import SamplingConfig, integrate, warp_time
from espnet2_ext.flow.token_embedding import CodecEmbedding, Geometry
from espnet2_ext.networks.ema import EMA
from espnet2_ext.score.frames import MIDI_COLUMN

_SCALE_MOMENTUM = 0.01


class MelFlow(AbsESPnetModel):
    """The flow model.

    Args:
        geometry: Sizes of tokens and features.
        config: Everything but the networks.
        condition: Joins the conditions.
        velocity: Velocity network.
    """

    def __init__(
        self,
        geometry: Geometry,
        config: FlowConfig,
        condition: JointCondition,
        velocity: nn.Module,
    ) -> None:
        super().__init__()
        self.geometry, self.config = geometry, config
        self.path = LinearPath(config.sigma)
        self.codec = CodecEmbedding(geometry)
        self.space = FeatureSpace(geometry, config.space)
        self.networks = nn.ModuleDict({"condition": condition, "velocity": velocity})
        if config.residual == "encoder":
            if not condition.condition_dim:
                raise ValueError("residual encoder needs a condition on the clock; use none")
            self.networks["base"] = nn.Linear(condition.channels, self.space.dim)
        if config.own_pitch is not None:
            if not config.space.predict_f0 or config.space.f0_mode != "relative":
                raise ValueError("own_pitch needs predict_f0 and f0_mode relative")
            pitch = OwnPitch(geometry, config.own_pitch, self.space.pitch_dim)
            self.networks["pitch"] = pitch
        if config.residual != "none":
            self.register_buffer("residual_std", torch.ones(self.space.dim))
        self.ema = EMA(self.networks, config.ema_decay) if config.ema_decay else None
        relative = config.space.predict_f0 and config.space.f0_mode == "relative"
        if relative and "pitch" not in condition.encoders:
            raise ValueError("f0_mode relative needs pitch; without it use absolute")
        if config.residual == "codec" and not (geometry.mel_codec and config.space.output == "mel"):
            raise ValueError("residual codec needs a mel codec and output mel")

    @property
    def own_pitch(self) -> OwnPitch | None:
        """Networks of F0 and voicing alone, where there are any."""
        return self.networks["pitch"] if self.config.own_pitch is not None else None

    @property
    def clock(self) -> str:
        """The stream whose frames are generated, or that has as many."""
        return "latents" if self.config.space.output == LATENT_SPACE else "codec_ssl"

    @property
    def streams_read(self) -> tuple[str, ...]:
        """Data streams that the conditions read."""
        return streams_read(self.networks["condition"].encoders.values())

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return next(self.networks.parameters()).device

    @staticmethod
    def space_dim(geometry: Geometry, config: FlowConfig) -> int:
        """Channels of the space that the velocity network works in."""
        return FeatureSpace(geometry, config.space).dim

    def forward(self, **streams: Tensor) -> tuple[Tensor, dict[str, Tensor], Tensor]:
        """Conditional flow matching loss (eq. 4).

        Args:
            streams: A batch as ESPnet gives it: ``codec_ssl``, ground-truth tokens (B, F, nq);
                ``mel``, natural log (B, T, n_mels), T = F * frames_per_token; ``f0``, Hz (B, T), 0
                where unvoiced; what the conditions read; ``sampled``, tokens of the same score
                sampled from an LM (B, F, nq), to train on instead; with them ``soft``, the codec
                embeddings (B, F, D) that the LM expects (`speechlm.soft`). A flow of latents is
                given ``latents`` (B, L, C) and what its conditions read.

        Returns:
            Loss, statistics, batch size.
        """
        batch = Batch(streams)
        x_1, weight = self.target(batch, batch.mask(self.clock))
        given = self._given(batch)
        if self.training:
            loss, stats = self.losses(self.condition(given), x_1, weight)
            if self.ema is not None:
                self.ema.update(self.networks)
        else:
            with self.averaged():
                conditions = self.condition(given)
                loss, stats = self.losses(conditions, x_1, weight)
                x_0 = self.noise(x_1, torch.Generator(x_1.device).manual_seed(0))
                x = self.sample(conditions, x_0, SamplingConfig(n_steps=self.config.valid_steps))
                stats |= sampled_errors(self.space, conditions, x, x_1, weight)
        stats = {"loss": loss.detach(), **stats}
        return force_gatherable((loss, stats, len(x_1)), loss.device)

    def _given(self, batch: Batch) -> Batch:
        """The batch with the tokens that the flow is shown: corrupted, or sampled from an LM."""
        if self.clock == "latents":
            return batch
        truth, sampled, soft = batch["codec_ssl"], batch.get("sampled"), batch.get("soft")
        tokens, expected = truth, None
        if self.training:
            lengths = batch.lengths("codec_ssl")
            tokens = self._corrupt(truth, lengths)
            if sampled is not None:
                pick = torch.rand(len(truth), device=truth.device) < self.config.sampled_prob
                theirs = self._corrupt(sampled, lengths) if self.config.corrupt_sampled else sampled
                tokens = torch.where(pick[:, None, None], theirs, tokens)
                if soft is not None:
                    own = self.codec(tokens[..., 1:])
                    expected = torch.where(pick[:, None, None], soft.to(own), own)
        elif sampled is not None:
            tokens, expected = sampled, soft
        return batch.having(codec_ssl=tokens, soft=expected)

    def averaged(self) -> Any:
        """Context in which the networks have their averaged weights."""
        if self.ema is None:
            return torch.no_grad()
        return self.ema.applied(self.networks)

    def target(self, batch: Batch, mask: Tensor) -> tuple[Tensor, Tensor]:
        """x_1 (B, F, dim), normalised, and the loss weight of every element."""
        if self.config.space.output == LATENT_SPACE:
            x_1 = batch["latents"]
        elif self.config.space.output == "mel":
            x_1 = self.space.encode_mel(batch["mel"])
        else:
            x_1 = self.codec.normalise(self.codec(batch["codec_ssl"][..., 1:]))
        weight = torch.ones_like(x_1)
        if self.config.space.predict_f0:
            pitch, pitch_weight = self.space.encode_f0(batch["f0"], _midi_of(batch), mask)
            x_1 = torch.cat([x_1, pitch], -1)
            weight = torch.cat([weight, pitch_weight], -1)
        return x_1, weight * mask[..., None]

    def condition(
        self,
        batch: Batch,
        without: tuple[str, ...] = (),
        stand_in: str = NULL,
        known: dict[str, Condition] | None = None,
    ) -> Conditions:
        """Encode what the flow is conditioned on; runs once per utterance.

        Args:
            batch: ``codec_ssl`` (B, F, nq), -1 for a token that is not there, and, as the
                configuration needs them, ``score_frames`` (B, F, 4), ``prompt`` (B, P, nq),
                ``soft`` (B, F, D), codec embeddings in place of those of the codes, and the streams
                of other conditions. A flow of latents takes the number of frames from ``latents``
                (B, L, C), whatever these hold.
            without: Names of conditions to leave out, each by itself.
            stand_in: What stands in their place, one of `STAND_INS`.
            known: As `JointCondition.forward` takes it.
        """
        mask = batch.mask(self.clock)
        shown = self._with_embeddings(batch)
        pitch = None
        with self.autocast(mask.device):
            steering = self.networks["condition"](shown, mask, without, stand_in, known)
            if self.own_pitch is not None:
                pitch = self.own_pitch.encode(shown, mask, without, stand_in)
        base = self._base(shown, mask, steering, pitch)
        return Conditions(steering, pitch, mask[..., None], _midi_of(batch), base)

    def _with_embeddings(self, batch: Batch) -> Batch:
        """The batch with its codes' embeddings, normalised, where there is a codec."""
        if not self.geometry.n_codebooks:
            return batch
        embedding = batch.get("soft")
        if embedding is None:
            embedding = self.codec(batch["codec_ssl"][..., 1:])
        shown = batch.having(token_embedding=self.codec.normalise(embedding))
        if "prompt" in batch:
            prompt = self.codec.normalise(self.codec(batch["prompt"][..., 1:]))
            shown = shown.having(prompt_embedding=prompt)
        return shown

    def _base(self, shown: Batch, mask: Tensor, steering: Joined, pitch: Joined | None) -> Tensor:
        """What the flow adds to (B, F, dim), by ``residual``."""
        if self.config.residual == "encoder":
            base = self.networks["base"](steering.c.value.float())
            if pitch is None:
                return base
            return joined(base, self.own_pitch.base(pitch.c.value.float()))
        base = torch.zeros((*mask.shape, self.space.dim), device=mask.device)
        if self.config.residual == "codec":
            codec_mel = self.space.codec_mel(self.codec.denormalise(shown["token_embedding"]))
            base[..., : self.space.spectral_dim] = self.space.encode_mel(codec_mel)
        return base

    def in_bfloat16(self, device: torch.device) -> bool:
        """Whether the networks compute in bfloat16: by the configuration, and by the machine."""
        if self.config.bfloat16 == "auto":
            supported = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
            return device.type == "cpu" and supported()
        return self.config.bfloat16 == "on"

    def autocast(self, device: torch.device) -> torch.autocast:
        """bfloat16 where it is wanted and pays."""
        enabled = self.in_bfloat16(device)
        if not enabled and torch.is_autocast_enabled(device.type):
            return torch.autocast(device.type, torch.get_autocast_dtype(device.type))
        return torch.autocast(device.type, torch.bfloat16, enabled=enabled)

    def _corrupt(self, tokens: LongTensor, lengths: Tensor) -> LongTensor:
        return (
            tokens
            if self.config.corruption is None
            else corrupt(tokens, lengths, self.config.corruption)
        )

    def losses(
        self, conditions: Conditions, x_1: Tensor, weight: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Flow matching loss and, with a regression, its own; by group of channels.

        Training scales a residual to unit variance; validation measures it in units of x_1, so that
        its loss is comparable from epoch to epoch and can choose the best model.
        """
        base_loss = masked_loss(conditions.base, x_1, weight, self.config.loss)
        residual = x_1
        if self.config.residual != "none":
            residual = x_1 - conditions.base.detach()
            if self.training:
                self._track(residual, conditions.mask)
            residual = residual / self.residual_std
        B = len(x_1)
        if self.training:
            generator = None
            s = torch.rand(B, device=x_1.device)
        else:
            generator = torch.Generator(x_1.device).manual_seed(0)
            s = (torch.arange(B, device=x_1.device) + 0.5) / B
        x_0 = self.noise(x_1, generator)
        sample = self.path.sample(x_0, residual, warp_time(s, self.config.time_sampling))
        if self.training and self.config.condition_dropout:
            dropped = torch.rand(B, device=x_1.device) < self.config.condition_dropout
            conditions = self.drop(conditions, dropped)
        u = self.velocity(sample.x_t, sample.t, conditions)
        u_t = sample.u_t
        if not self.training and self.config.residual != "none":
            # in units of x_1: else the loss would rise as the residual that it is scaled by shrinks
            u, u_t = u * self.residual_std, u_t * self.residual_std
        loss = masked_loss(u, u_t, weight, self.config.loss)
        stats = {"flow": loss.detach()}
        groups = [self.space.spectral_dim] + [self.space.pitch_dim // 2] * 2
        parts = [v.split(groups, -1) for v in (u, u_t, weight)]
        for name, *part in zip(("spectral", "f0", "vuv"), *parts, strict=True):
            if part[0].size(-1):
                stats[f"flow_{name}"] = masked_loss(*part, self.config.loss).detach()
        if self.config.residual == "encoder":
            stats["base"] = base_loss.detach()
            loss = loss + self.config.base_weight * base_loss
        return loss, stats

    def noise(self, like: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """x_0 of unit variance, of the shape (B, F, dim) and on the device of `like`."""
        return self.space.source(torch.randn(like.shape, generator=generator, device=like.device))

    @torch.no_grad()
    def _track(self, residual: Tensor, mask: Tensor) -> None:
        """Follow the residual's standard deviation, so that the flow's data has unit variance."""
        variance = (residual.square() * mask).sum((0, 1)) / mask.sum().clamp_min(1)
        old = self.residual_std.square()
        self.residual_std.copy_((old + _SCALE_MOMENTUM * (variance - old)).sqrt().clamp_min(1e-3))

    def drop(self, conditions: Conditions, dropped: Tensor, stand_in: str = NULL) -> Conditions:
        """Without all that steers the velocity where `dropped` (B,) is true; the base stays.

        The base of a residual is added to what the velocity has led to and never enters it.
        """
        pitch = conditions.pitch and conditions.pitch.dropped(dropped, stand_in)
        steering = conditions.steering.dropped(dropped, stand_in)
        return replace(conditions, steering=steering, pitch=pitch)

    def velocity(self, x_t: Tensor, t: Tensor, conditions: Conditions) -> Tensor:
        """u_theta(x_t, t | C) (B, F, dim) at x_t (B, F, dim) and times t (B,)."""
        steering = conditions.steering
        c, vector = (None if p is None else p.value for p in (steering.c, steering.vector))
        text = () if steering.text is None else (steering.text.value, steering.text.mask)
        with self.autocast(x_t.device):
            u = self.networks["velocity"](x_t, t, c, conditions.mask, vector, *text)
            if conditions.pitch is None:
                return u
            x_pitch = x_t[..., self.space.spectral_dim :]
            return joined(u, self.own_pitch(x_pitch, t, conditions.pitch, conditions.mask))

    def check_guidance(self, config: SamplingConfig) -> None:
        """Refuse guidance that this model cannot give (`guidance.check_guidance`)."""
        check_guidance(config, self.config, self.networks["condition"].encoders)

    def nested(self, batch: Batch, config: SamplingConfig) -> list[Conditions]:
        """The sets of conditions that guidance compares, from the least to all; one without it.

        Vectors and sequences are encoded once, whatever the number of sets.
        """
        if config.guidance_by:
            names, known = tuple(config.guidance_by), {}
            return [
                self.condition(batch, names[k:], config.negative, known)
                for k in range(len(names) + 1)
            ]
        every = self.condition(batch)
        if not config.guidance:
            return [every]
        everyone = torch.ones(batch.size, dtype=torch.bool, device=every.mask.device)
        return [self.drop(every, everyone, config.negative), every]

    @torch.no_grad()
    def sample(
        self, conditions: Conditions | Sequence[Conditions], x_0: Tensor, config: SamplingConfig
    ) -> Tensor:
        """Solve the ODE (eq. 6) from unit noise `x_0` (B, F, dim) to x_1, normalised.

        Args:
            conditions: What steers; for guidance the sets that `nested` gives.
            x_0: Noise.
            config: Solver and guidance.
        """
        sets = [conditions] if isinstance(conditions, Conditions) else conditions

        def field_of(given: Conditions) -> Any:
            return lambda x, t: self.velocity(x, t.expand(len(x)), given).float()

        every, several = sets[-1], Conditions.together(sets)
        weights = config.weights if len(sets) > 1 else []
        interval = config.guidance_start, config.guidance_end
        u = guided(field_of(every), field_of(several), weights, interval)
        x = integrate(u, self._tempered(x_0, config), config)
        if self.config.residual != "none":
            x = x * self.residual_std + every.base
        return x

    def _tempered(self, x_0: Tensor, config: SamplingConfig) -> Tensor:
        """Unit noise times the temperatures of the spectrum and of F0 and voicing."""
        if config.f0_temperature is None:
            return config.noise_temperature * x_0
        spectral, pitch = x_0.split([self.space.spectral_dim, self.space.pitch_dim], -1)
        return torch.cat([config.noise_temperature * spectral, config.f0_temperature * pitch], -1)

    @torch.no_grad()
    def generate(self, batch: Batch, x_0: Tensor, config: SamplingConfig) -> list[Features]:
        """Features of a batch (as `condition` takes it) from unit noise x_0 (B, F, dim)."""
        with self.averaged():
            sets = self.nested(batch, config)
            x = self.sample(sets, x_0, config)
        return self.space.decode(x, self.codec, sets[-1].midi, batch.mask(self.clock))

    def collect_feats(self, **streams: Tensor) -> Mapping[str, Tensor]:
        """For ESPnet's statistics stage: the mel, or the latents, and their lengths."""
        name = "latents" if self.clock == "latents" else "mel"
        return {key: streams[key] for key in (name, f"{name}_lengths")}


def _midi_of(batch: Batch) -> LongTensor | None:
    """Nominal MIDI numbers (B, F) of the scores, 0 at rests; None without scores."""
    return batch["score_frames"][..., MIDI_COLUMN] if "score_frames" in batch else None
