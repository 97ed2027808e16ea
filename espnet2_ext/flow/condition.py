"""The condition C of the flow: the LM's tokens (Flow1), the score's pitch (Flow2), the singer.

Beyond the paper, and off unless asked for: the score's phones and the place in them.
"""

import torch
from torch import LongTensor, Tensor, nn

from espnet2_ext.conditions.score_features import score_features
from espnet2_ext.data.batch import Batch
from espnet2_ext.flow.pitch import PITCH_FEATURES, pitch_features
from espnet2_ext.flow.token_embedding import DROPPED, CodecEmbedding, Geometry
from espnet2_ext.networks.convnext import ConvNeXtBlock
from espnet2_ext.score.frames import MIDI_COLUMN

PITCH_KINDS = ("none", "rich", "raw")


class ConditionEncoder(nn.Module):
    """Tokens, pitch and prompt to C (B, F, channels) and a singer vector (B, channels).

    It runs once per utterance, whatever the number of ODE steps.

    Args:
        geometry: Sizes of the tokens.
        channels: Width.
        n_layers: ConvNeXt blocks.
        kernel_size: Of the blocks.
        ssl_dim: Size of the SSL embedding; 0 leaves the SSL stream out (the authors' way).
        pitch: "none" (Flow1), "rich" (Flow2: level, changes, rests) or "raw" (Flow2 as the
            authors: one linear layer over the MIDI number).
        prompt: Use a prompt of the singer.
        phones: Also the score's phones (this one, those beside it) and the place in phone and note.
            Not in the paper, whose flow never sees what is sung but through the tokens.
        dropout: In the blocks.
    """

    def __init__(
        self,
        geometry: Geometry,
        channels: int = 192,
        n_layers: int = 4,
        kernel_size: int = 7,
        ssl_dim: int = 64,
        pitch: str = "rich",
        prompt: bool = True,
        dropout: float = 0.0,
        phones: bool = False,
    ) -> None:
        super().__init__()
        if pitch not in PITCH_KINDS:
            raise ValueError(f"pitch {pitch!r} is none of {', '.join(PITCH_KINDS)}")
        self.pitch, self.channels = pitch, channels
        self.codec_in = nn.Linear(geometry.embed_dim, channels)
        self.ssl = nn.Embedding(geometry.ssl_size + 1, ssl_dim) if ssl_dim else None
        self.ssl_in = nn.Linear(ssl_dim, channels) if ssl_dim else None
        self.pitch_in = None
        if pitch != "none":
            self.pitch_in = nn.Linear(PITCH_FEATURES if pitch == "rich" else 1, channels)
        self.prompt_net = PromptEncoder(geometry.embed_dim, channels) if prompt else None
        self.phones = PhoneContext(geometry.n_phones, channels) if phones else None
        self.blocks = nn.ModuleList(
            ConvNeXtBlock(channels, kernel_size, dropout=dropout) for _ in range(n_layers)
        )
        self.norm = nn.LayerNorm(channels)
        self.null = nn.Parameter(0.02 * torch.randn(channels))
        self.null_vector = nn.Parameter(0.02 * torch.randn(channels)) if prompt else None

    def forward(self, codec: CodecEmbedding, batch: Batch) -> tuple[Tensor, Tensor | None]:
        """Encode a batch.

        Args:
            codec: The frozen embedding.
            batch: As `MelFlow.condition` takes it. In an encoder that uses prompts, the learned "no
                singer" stands in for the vector where there is none.

        Returns:
            C, and the singer vector; None in an encoder without prompts.
        """
        tokens, soft = batch["codec_ssl"], batch.get("soft")
        mask = batch.mask("codec_ssl")[..., None]
        embedding = codec(tokens[..., 1:]) if soft is None else soft
        h = self.codec_in(codec.normalise(embedding))
        if self.ssl is not None:
            code = tokens[..., 0]
            code = torch.where(code == DROPPED, self.ssl.num_embeddings - 1, code)
            h = h + self.ssl_in(self.ssl(code))
        if self.pitch_in is not None:
            midi = batch["score_frames"][..., MIDI_COLUMN]
            if self.pitch == "rich":
                features = pitch_features(midi, mask[..., 0])
            else:
                features = midi[..., None].float()
            h = h + self.pitch_in(features)
        if self.phones is not None:
            h = h + self.phones(batch["score_frames"], mask[..., 0])
        vector = None
        if self.prompt_net is not None:
            if "prompt" not in batch:
                vector = self.null_vector.expand(len(h), -1)
            else:
                embedding = codec.normalise(codec(batch["prompt"][..., 1:]))
                vector = self.prompt_net(embedding, batch.mask("prompt")[..., None])
            h = h + vector[:, None]
        for block in self.blocks:
            h = block(h, mask)
        return self.norm(h), vector

    def drop(
        self, c: Tensor, vector: Tensor | None, dropped: Tensor
    ) -> tuple[Tensor, Tensor | None]:
        """C and the singer vector, each its learned "none" where `dropped` (B,) is true.

        Both go together: what is left would steer a velocity that guidance takes to be steered by
        nothing.
        """
        c = torch.where(dropped[:, None, None], self.null.to(c.dtype), c)
        if vector is not None:
            vector = torch.where(dropped[:, None], self.null_vector.to(vector.dtype), vector)
        return c, vector


def midi_of(batch: Batch) -> LongTensor | None:
    """Nominal MIDI numbers (B, F) of the scores, 0 at rests; None without scores."""
    return batch["score_frames"][..., MIDI_COLUMN] if "score_frames" in batch else None


class PhoneContext(nn.Module):
    """The phone of each frame, those before and after it, and the place in phone and note.

    Args:
        n_phones: Size of the phone set.
        channels: Width of the output.
    """

    def __init__(self, n_phones: int, channels: int) -> None:
        super().__init__()
        if n_phones < 1:
            raise ValueError("phones need the size of the phone set (geometry.n_phones)")
        self.phone = nn.Embedding(3 * (n_phones + 1), channels)
        self.register_buffer("base", torch.arange(3) * (n_phones + 1), persistent=False)
        self.position = nn.Linear(10, channels)
        nn.init.normal_(self.phone.weight, std=0.5)

    def forward(self, score: LongTensor, mask: Tensor) -> Tensor:
        """Score frames (B, F, 4) and mask (B, F) to (B, F, channels)."""
        features = score_features(score, mask.sum(1))
        x = self.phone(features.phones + self.base).sum(2)
        return (x + self.position(features.position)) * mask[..., None]


class PromptEncoder(nn.Module):
    """Codec embeddings of a prompt (B, P, D) to one vector (B, channels): a masked mean."""

    def __init__(self, embed_dim: int, channels: int) -> None:
        super().__init__()
        self.frame = nn.Sequential(
            nn.Linear(embed_dim, channels), nn.GELU(), nn.Linear(channels, channels)
        )
        self.out = nn.Linear(channels, channels)

    def forward(self, embedding: Tensor, mask: Tensor) -> Tensor:
        real = mask.to(embedding.dtype)
        total = (self.frame(embedding) * real).sum(1) / real.sum(1).clamp_min(1.0)
        return self.out(total)
