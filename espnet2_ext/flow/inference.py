"""Draw features from a trained flow: batched by length, each utterance as if it were alone."""

import argparse
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import LongTensor, Tensor
from torch.nn.utils.rnn import pad_sequence

from espnet2_ext.audio.mel import MelConfig
from espnet2_ext.checkpoint import build_strict, load_state
from espnet2_ext.data.batch import Batch
from espnet2_ext.data.streams import STREAMS, TOKEN
from espnet2_ext.device import autocast
from espnet2_ext.errors import UserError
from espnet2_ext.files import parse_config, read_yaml
from espnet2_ext.flow.build import build_model
from espnet2_ext.flow.features import Features
from espnet2_ext.flow.model import MelFlow
from espnet2_ext.flow.sampler import ADAPTIVE_SOLVERS, SamplingConfig
from espnet2_ext.flow.token_embedding import Geometry, check_codes
from espnet2_ext.score.frames import MIDI_COLUMN, SCORE_COLUMNS
from espnet2_ext.score.length import PAD, shared_frames

MAX_MIDI = 127

__all__ = ["Features", "FlowInference", "SamplingConfig"]

# every option of MelFlowTask that a model is built from, as AbsTask would fill it in
_DEFAULTS = {
    "tokenizer_dir": None,
    "geometry": {},
    "model_conf": {},
    "condition_conf": {},
    "velocity": "convnext",
    "velocity_conf": {},
    "max_prompt_frames": 150,
}


def load_sampling(path: str | Path | None) -> SamplingConfig:
    """``decode_flow.yaml``; the defaults without a file."""
    return parse_config(SamplingConfig, read_yaml(path), path) if path else SamplingConfig()


class FlowInference:
    """A trained flow.

    Args:
        model: The model, in evaluation mode.
        max_prompt_frames: Token frames of a prompt that are used.
        batch_frames: Token frames of one batch, padding included.
        bfloat16: Autocast of the networks: "on", "off", "auto" (CPUs with bfloat16 instructions);
            None: as the model was configured.
        dtype: Of the networks' products, in place of `bfloat16`: one of `DTYPES`.
    """

    def __init__(
        self,
        model: MelFlow,
        max_prompt_frames: int = 150,
        batch_frames: int = 4000,
        bfloat16: str | None = None,
        dtype: str | None = None,
    ) -> None:
        self.model, self.dtype = model.eval(), dtype
        if dtype is not None:
            bfloat16 = "off"
        if bfloat16 is not None:
            self.model.config = replace(model.config, bfloat16=bfloat16)
        self.max_prompt_frames, self.batch_frames = max_prompt_frames, batch_frames

    @property
    def mel(self) -> MelConfig:
        """Mel configuration of the features."""
        return self.model.geometry.mel_config

    @property
    def needs_pitch(self) -> bool:
        """Whether the model is conditioned on the score's pitch (Flow2)."""
        return self._has("pitch")

    @property
    def needs_phones(self) -> bool:
        """Whether the model sees the score's phones."""
        return self._has("phones")

    @property
    def needs_prompt(self) -> bool:
        """Whether the model uses a prompt of the singer."""
        return self._has("prompt")

    @property
    def more_streams(self) -> list[str]:
        """Streams of other conditions that the model reads."""
        return self.model.networks["condition"].encoders.more_streams

    def _has(self, condition: str) -> bool:
        own = self.model.own_pitch
        others = own.condition.encoders if own is not None else ()
        return condition in self.model.networks["condition"].encoders or condition in others

    @classmethod
    def load(
        cls,
        config: str | Path,
        weights: str | Path,
        device: str | torch.device = "cpu",
        tokenizer_dir: str | Path | None = None,
        batch_frames: int = 4000,
        bfloat16: str | None = None,
        dtype: str | None = None,
    ) -> "FlowInference":
        """Load a trained model, strictly.

        Args:
            config: config.yaml of the experiment.
            weights: Plain ``.pth`` or ``.safetensors``.
            device: Where it runs.
            tokenizer_dir: Tokenizers that its tokens come from; checked, as the model has its own
                copy of what it needs.
            batch_frames: Token frames of one batch.
            bfloat16: Autocast, as in the constructor.
            dtype: As in the constructor.

        Raises:
            UserError: weights and configuration do not fit, or were made for other tokenizers.
        """
        args = argparse.Namespace(**{**_DEFAULTS, **read_yaml(config)})
        if not args.geometry:
            raise UserError(config, "missing", "a flow experiment's config.yaml", "geometry")
        geometry = parse_config(Geometry, args.geometry, f"{config}: geometry")
        state = load_state(weights)
        model = build_strict(lambda: build_model(args, geometry, config), state, config, weights)
        if tokenizer_dir is not None:
            from espnet2_ext.tokenizer.tokenizers import Tokenizers

            check_tokenizers(model, Tokenizers.load(tokenizer_dir), tokenizer_dir, weights)
        return cls(model.to(device), args.max_prompt_frames, batch_frames, bfloat16, dtype)

    @torch.no_grad()
    def generate(
        self,
        tokens: Sequence[LongTensor],
        midi: Sequence[LongTensor] | None = None,
        prompts: Sequence[LongTensor] | None = None,
        config: SamplingConfig | None = None,
        soft: Sequence[Tensor] | None = None,
        names: Sequence[str] | None = None,
        more: Mapping[str, Sequence[Tensor]] | None = None,
    ) -> list[Features]:
        """Features of utterances of any lengths, in their order.

        An utterance's noise is seeded by ``config.seed`` and its tokens, so results depend neither
        on the batch nor on the order.

        Args:
            tokens: Per utterance (F, nq), SSL stream first.
            midi: Per utterance nominal MIDI numbers (S,), 0 at rests, which Flow2 needs; or the
                whole score (S, 4), which a model that sees phones needs. Where S is not F,
                ``config.length_policy`` says what is generated.
            prompts: Per utterance tokens of the singer (P, nq), if the model uses them.
            config: Sampling options.
            soft: Per utterance codec embeddings (F, D) in place of those of the codes.
            names: Of the utterances, for errors.
            more: Streams of other conditions: name -> per utterance its values. A condition whose
                stream is not given is left out.

        Returns:
            On the CPU, one `Features` per utterance.

        Raises:
            UserError: inputs that the model cannot take, or guidance of a model that was never
                trained without its conditions.
        """
        config = config or SamplingConfig()
        names = names or [f"utterance {k + 1} of {len(tokens)}" for k in range(len(tokens))]
        more = dict(more or {})
        self._check(tokens, midi, prompts, soft, names, more)
        scored = [len(t) for t in tokens] if midi is None else [len(m) for m in midi]
        shared = [
            shared_frames(config.length_policy, len(t), n_score, name)
            for t, n_score, name in zip(tokens, scored, names, strict=True)
        ]
        tokens, midi, soft = (
            None if s is None else [x[:n] for x, n in zip(s, shared, strict=True)]
            for s in (tokens, midi, soft)
        )
        more = {
            name: [x[:n] if _follows_tokens(name) else x for x, n in zip(s, shared, strict=True)]
            for name, s in more.items()
        }
        self.model.check_guidance(config)
        order = sorted(range(len(tokens)), key=lambda k: len(tokens[k]))
        results: dict[int, Features] = {}
        while order:
            batch = [order.pop()]
            longest = len(tokens[batch[0]])
            # an adaptive solver chooses its steps for a whole batch: each utterance gets its own
            alone = config.solver in ADAPTIVE_SOLVERS
            while order and not alone and (len(batch) + 1) * longest <= self.batch_frames:
                batch.append(order.pop())
            with autocast(self.model.codec.offset.device, self.dtype):
                features = self._generate_batch(
                    [tokens[k] for k in batch],
                    [midi[k] for k in batch] if midi is not None else None,
                    [prompts[k] for k in batch] if prompts is not None else None,
                    config,
                    [soft[k] for k in batch] if soft is not None else None,
                    {name: [rows[k] for k in batch] for name, rows in more.items()},
                )
            results.update(zip(batch, features, strict=True))
        features = [results[k] for k in range(len(tokens))]
        if config.length_policy == PAD:
            space = self.model.space
            features = [
                f.completed(n_score * space.per_token, space.log_floor)
                for f, n_score in zip(features, scored, strict=True)
            ]
        return features

    def _generate_batch(
        self,
        tokens: list[LongTensor],
        midi: list[LongTensor] | None,
        prompts: list[LongTensor] | None,
        config: SamplingConfig,
        soft: list[Tensor] | None,
        more: dict[str, list[Tensor]],
    ) -> list[Features]:
        device = self.model.codec.offset.device
        if prompts is not None:
            prompts = [p[: self.max_prompt_frames].long() for p in prompts]
        batch = Batch.of(
            device,
            codec_ssl=[t.long() for t in tokens],
            score_frames=None if midi is None else [_score_of(m.long()) for m in midi],
            prompt=prompts if self.needs_prompt else None,
            soft=None if soft is None else [s.float() for s in soft],
            **more,
        )
        noise = [self._noise(t, config.seed) for t in tokens]
        x_0 = pad_sequence(noise, batch_first=True).to(device)
        features = self.model.generate(batch, x_0, config)
        return [
            Features(*(None if v is None else v.cpu() for v in (f.mel, f.f0, f.codes)))
            for f in features
        ]

    def _noise(self, tokens: LongTensor, seed: int) -> Tensor:
        data = tokens.cpu().to(torch.int32).contiguous().numpy().tobytes()
        generator = torch.Generator().manual_seed(zlib.crc32(f"{seed} ".encode() + data))
        white = torch.randn(1, len(tokens), self.model.space.dim, generator=generator)
        return self.model.space.source(white)[0]

    def _check(
        self,
        tokens: Sequence[LongTensor],
        scores: Sequence[LongTensor] | None,
        prompts: Sequence[LongTensor] | None,
        soft: Sequence[Tensor] | None,
        names: Sequence[str],
        more: Mapping[str, Sequence[Tensor]],
    ) -> None:
        sizes, dim = self.model.geometry.sizes, self.model.geometry.embed_dim
        read = self.more_streams
        for field in more:
            if field not in read:
                raise UserError(
                    "flow", "not read by this model", f"one of {', '.join(read)}", field
                )
        given = {"midi": scores, "prompts": prompts, "soft": soft, **more}
        for field, values in given.items():
            if values is not None and len(values) != len(tokens):
                raise UserError("flow", f"{len(values)}", f"{len(tokens)}, as the tokens", field)
        if (self.needs_pitch or self.needs_phones) and scores is None:
            raise UserError("flow", "no midi frames", "the score's pitch: a Flow2 model", "midi")
        for k, (place, utterance) in enumerate(zip(names, tokens, strict=True)):
            if utterance.dim() != 2 or not len(utterance):
                raise UserError(place, f"tokens of shape {tuple(utterance.shape)}", "(F, nq)")
            check_codes(utterance, sizes, place)
            if scores is not None:
                self._check_score(scores[k], place)
            if prompts is not None:
                check_codes(prompts[k], sizes, f"prompt of {place}")
            if soft is not None:
                if soft[k].shape != (len(utterance), dim):
                    found, expected = f"{tuple(soft[k].shape)}", f"{(len(utterance), dim)}"
                    raise UserError(
                        place, found, f"{expected}: as the tokens and the codec", "soft"
                    )
                if not torch.isfinite(soft[k]).all():
                    raise UserError(place, "values that are not finite", "embeddings", "soft")

    def _check_score(self, score: LongTensor, place: str) -> None:
        shape = tuple(score.shape)
        columns = [(SCORE_COLUMNS,)] if self.needs_phones else [(), (SCORE_COLUMNS,)]
        if not shape or not shape[0] or shape[1:] not in columns:
            expected = f"(F, {SCORE_COLUMNS})" if self.needs_phones else "(F,) or (F, 4)"
            raise UserError(place, f"shape {shape}", expected, "midi")
        notes = _score_of(score)[:, MIDI_COLUMN]
        if notes.min() < 0 or notes.max() > MAX_MIDI:
            found = f"notes {int(notes.min())} to {int(notes.max())}"
            raise UserError(place, found, f"0 to {MAX_MIDI}", "midi")
        n_phones = self.model.geometry.n_phones
        if self.needs_phones and not 0 <= score[:, 0].min() <= score[:, 0].max() < n_phones:
            found = f"phone ids {int(score[:, 0].min())} to {int(score[:, 0].max())}"
            raise UserError(place, found, f"0 to {n_phones - 1}", "score_frames")


def _follows_tokens(name: str) -> bool:
    return name in STREAMS and STREAMS[name].clock == TOKEN


def _score_of(score: LongTensor) -> LongTensor:
    """Score frames (F, 4); where only its notes (F,) are given, with nothing else in them."""
    if score.dim() == 2:
        return score
    frames = score.new_zeros(len(score), SCORE_COLUMNS)
    frames[:, MIDI_COLUMN] = score
    return frames


def check_tokenizers(
    model: MelFlow, tokenizers: Any, folder: str | Path, weights: str | Path
) -> None:
    """Refuse `Tokenizers` (of a folder) other than those that a model was trained with.

    Raises:
        UserError: naming what differs.
    """
    from espnet2_ext.flow.build import geometry_of

    found, own = geometry_of(tokenizers).asdict(), model.geometry.asdict()
    for key, value in own.items():
        if found[key] != value and not (key == "n_phones" and value == 0):
            raise UserError(folder, f"{found[key]}", f"{value} as {weights}", key)
    code = torch.zeros(1, 1, model.geometry.n_codebooks, dtype=torch.long)
    theirs = tokenizers.codec.embed(code)
    ours = model.codec(code.to(model.codec.offset.device)).to(theirs.device)
    if not torch.allclose(theirs, ours, rtol=1e-3, atol=1e-3 * float(ours.abs().max())):
        raise UserError(folder, "another codec", f"the one that {weights} was trained with")
