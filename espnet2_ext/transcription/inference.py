"""A trained transcription model: codes to posteriors, pitch tokens, notes."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import LongTensor, Tensor

from espnet2_ext.checkpoint import build_strict, load_state
from espnet2_ext.files import parse_config, read_yaml
from espnet2_ext.transcription.agreement import agreement
from espnet2_ext.transcription.build import CodeGeometry, build_net, read_config
from espnet2_ext.transcription.decode import DecodingConfig, Segment, decode
from espnet2_ext.transcription.net import TranscriptionNet

WINDOW_FRAMES, CONTEXT_FRAMES = 1000, 100
"""Of recordings of any length the network sees as much at a time as of phrases, and beside what is
kept of it as much context on either side."""


def load_decoding(path: str | Path | None) -> DecodingConfig:
    """Inference options of a YAML; the defaults without one."""
    return parse_config(DecodingConfig, read_yaml(path), path) if path else DecodingConfig()


@dataclass(frozen=True)
class Posteriors:
    """What the model says of an utterance.

    Args:
        log_probability: Of pitch tokens, float32 (L, 128).
        onset: Log odds that a note begins at a frame, and that its vowel does (L, 2); None: it
            does not tell.
    """

    log_probability: np.ndarray
    onset: np.ndarray | None


class TranscriptionInference:
    """A trained transcription model.

    Args:
        net: The network.
        geometry: Sizes and rate of its codes.
        device: Where it runs.
        tokenizer_dir: Where its configuration says that the tokenizers were.
    """

    def __init__(
        self,
        net: TranscriptionNet,
        geometry: CodeGeometry,
        device: str = "cpu",
        tokenizer_dir: str | None = None,
    ) -> None:
        self.net = net.to(device).eval()
        self.geometry, self.device, self.tokenizer_dir = geometry, device, tokenizer_dir

    @classmethod
    def load(
        cls, config: str | Path, checkpoint: str | Path, device: str = "cpu"
    ) -> "TranscriptionInference":
        """Load from an experiment's ``config.yaml`` and weights (.pth or .safetensors).

        Raises:
            UserError: missing, foreign or mismatched files.
        """
        options = read_yaml(config)
        # The ESPnet model holds the network as its only child.
        state = {key.removeprefix("net."): v for key, v in load_state(checkpoint).items()}
        net = build_strict(lambda: build_net(options, config), state, config, checkpoint)
        tokenizer_dir = options.get("tokenizer_dir")
        return cls(
            net,
            read_config(options, config)[1],
            device,
            tokenizer_dir if isinstance(tokenizer_dir, str) else None,
        )

    @torch.no_grad()
    def posteriors(self, codes: Tensor) -> Posteriors:
        """Read the codec's codes (L, N) of a recording of any length, or their distributions.

        Distributions (L, N, V) are heard as the expected embeddings that they make.
        """
        logits, onsets = [], []
        for start in range(0, len(codes), WINDOW_FRAMES):
            first = max(0, start - CONTEXT_FRAMES)
            window = codes[first : start + WINDOW_FRAMES + CONTEXT_FRAMES].to(self.device)
            kept = slice(start - first, start - first + WINDOW_FRAMES)
            lengths = torch.tensor([len(window)], device=self.device)
            pitch, onset = self.net.with_onsets(window[None], lengths)
            logits.append(pitch[0, kept].cpu())
            if onset is not None:
                onsets.append(onset[0, kept].cpu())
        log_probability = torch.cat(logits).log_softmax(-1).numpy()
        return Posteriors(log_probability, torch.cat(onsets).numpy() if onsets else None)

    def segments(self, codes: LongTensor, config: DecodingConfig | None = None) -> list[Segment]:
        """Notes and rests of the codec's codes (L, N)."""
        found = self.posteriors(codes)
        return decode(found.log_probability, found.onset, self.geometry.fps, config)

    def agreement(self, codes: Tensor, midi: LongTensor) -> float:
        """How well codes, as `posteriors` reads them, sing a score's pitch tokens (L,)."""
        return agreement(self.posteriors(codes).log_probability, midi.numpy())


def pitch_tokens(segments: Sequence[Segment]) -> np.ndarray:
    """Pitch token of each frame, int64 (L,)."""
    lengths = [segment.end - segment.start for segment in segments]
    return np.repeat(np.array([segment.pitch for segment in segments], np.int64), lengths)


def note_rows(segments: Sequence[Segment], fps: float) -> list[tuple[float, float, int]]:
    """Start (s), end (s) and MIDI number of the notes among segments, consonants included."""
    return [(s.start / fps, s.end / fps, s.pitch) for s in segments if s.pitch]


def written_rows(segments: Sequence[Segment], fps: float) -> list[tuple[float, float, int]]:
    """The same as scores have them: a note begins with its vowel, until which the last one goes on.

    What stands before it, of a note after a rest, is rest.
    """
    rows = []
    for index, segment in enumerate(segments):
        after = segments[index + 1] if index + 1 < len(segments) else None
        end = after.vowel if after is not None and after.pitch else segment.end
        if segment.pitch:
            rows.append((segment.vowel / fps, end / fps, segment.pitch))
    return rows
