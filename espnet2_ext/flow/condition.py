"""The condition C of the flow: the LM's tokens (Flow1), the score's pitch (Flow2), the singer."""

import torch
from torch import LongTensor, Tensor, nn

from espnet2_ext.flow.layers import ConvNeXtBlock
from espnet2_ext.flow.pitch import PITCH_FEATURES, pitch_features
from espnet2_ext.flow.token_embedding import DROPPED, CodecEmbedding, Geometry

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
        self.blocks = nn.ModuleList(
            ConvNeXtBlock(channels, kernel_size, dropout=dropout) for _ in range(n_layers)
        )
        self.norm = nn.LayerNorm(channels)
        self.null = nn.Parameter(0.02 * torch.randn(channels))

    def forward(
        self,
        codec: CodecEmbedding,
        tokens: LongTensor,
        mask: Tensor,
        midi: LongTensor | None = None,
        prompt: LongTensor | None = None,
        prompt_mask: Tensor | None = None,
    ) -> tuple[Tensor, Tensor | None]:
        """Encode a batch.

        Args:
            codec: The frozen embedding.
            tokens: (B, F, nq); -1 for a token that is not there.
            mask: True on real frames (B, F, 1).
            midi: Nominal MIDI numbers (B, F), 0 at rests; Flow2 needs them.
            prompt: Tokens of another utterance of the singer (B, P, nq).
            prompt_mask: True on its real frames (B, P, 1).
        """
        h = self.codec_in(codec.normalise(codec(tokens[..., 1:])))
        if self.ssl is not None:
            code = tokens[..., 0]
            code = torch.where(code == DROPPED, self.ssl.num_embeddings - 1, code)
            h = h + self.ssl_in(self.ssl(code))
        if self.pitch_in is not None:
            if midi is None:
                raise ValueError("a Flow2 model needs the score's midi frames")
            if self.pitch == "rich":
                features = pitch_features(midi, mask[..., 0])
            else:
                features = midi[..., None].float()
            h = h + self.pitch_in(features)
        vector = None
        if self.prompt_net is not None and prompt is not None:
            vector = self.prompt_net(codec.normalise(codec(prompt[..., 1:])), prompt_mask)
            h = h + vector[:, None]
        for block in self.blocks:
            h = block(h, mask)
        return self.norm(h), vector

    def drop(self, condition: Tensor, dropped: Tensor) -> Tensor:
        """Replace C by the learned "no condition" where `dropped` (B,) is true."""
        return torch.where(dropped[:, None, None], self.null.to(condition.dtype), condition)


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
