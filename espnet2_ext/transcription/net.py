"""The transcription network: codec codes to logits of each frame's pitch token."""

import torch
from torch import LongTensor, Tensor, nn

from espnet2_ext.data.streams import DROPPED
from espnet2_ext.networks.convnext import DepthwiseShifts
from espnet2_ext.transcription.config import TranscriptionConfig
from espnet2_ext.transcription.inputs import PartlyPredicted

N_PITCHES = 128
"""Pitch tokens: MIDI numbers; 0 is a rest."""
N_ONSETS = 2
NOTE_ONSET, VOWEL_ONSET = range(N_ONSETS)
"""Of each frame: whether a note begins there, and whether its vowel does."""


class CodeEmbedding(nn.Module):
    """Codes of each codebook by themselves, side by side; a code of `DROPPED` is a row of zeros.

    Args:
        n_codebooks: N.
        codebook_size: V.
        dim: Size of a code's embedding.
    """

    def __init__(self, n_codebooks: int, codebook_size: int, dim: int) -> None:
        super().__init__()
        self.tables = nn.Parameter(torch.randn(n_codebooks, codebook_size, dim))

    def forward(self, codes: Tensor | PartlyPredicted) -> Tensor:
        """What `TranscriptionNet` reads, to (B, L, N * dim)."""
        if isinstance(codes, PartlyPredicted):
            return self._partly(codes).flatten(2)
        if codes.dim() == 4:
            return torch.einsum("blnv,nvd->blnd", codes, self.tables).flatten(2)
        return self._known(codes).flatten(2)

    def _known(self, codes: LongTensor) -> Tensor:
        books = torch.arange(codes.size(2), device=codes.device)
        return self.tables[books, codes.clamp_min(0)] * (codes != DROPPED)[..., None]

    def _partly(self, given: PartlyPredicted) -> Tensor:
        known = self._known(given.codes)
        tables = self.tables[given.codebook]  # (B, V, dim)
        if given.predicted.is_floating_point():
            found = given.predicted @ tables
        else:
            utterances = torch.arange(len(tables), device=tables.device)
            found = tables[utterances[:, None], given.predicted]
        books = torch.arange(known.size(2), device=known.device)
        chosen = (books == given.codebook[:, None])[:, None]  # (B, 1, N)
        if given.mask is not None:
            chosen = chosen & given.mask[..., None]
        return torch.where(chosen[..., None], found[:, :, None], known)


class TranscriptionNet(nn.Module):
    """A transformer encoder over frames; the padding of a batch changes nothing.

    Embedded codes are concatenated, projected and normalised, as the paper has it. It does not say
    how positions are told; here a convolution over neighbouring frames does (as in wav2vec 2.0), so
    that a phrase may stand anywhere.

    Args:
        n_codebooks: Codes per frame, N.
        codebook_size: Values of a code, V.
        config: The sizes.
    """

    def __init__(
        self, n_codebooks: int, codebook_size: int, config: TranscriptionConfig | None = None
    ) -> None:
        super().__init__()
        self.config = config = config or TranscriptionConfig()
        width = config.width
        self.embedding = CodeEmbedding(n_codebooks, codebook_size, config.code_dim)
        self.projection = nn.Linear(n_codebooks * config.code_dim, width)
        self.norm = nn.LayerNorm(width)
        self.position = DepthwiseShifts(width, config.position_kernel)
        self.dropout = nn.Dropout(config.dropout)
        layer = nn.TransformerEncoderLayer(
            width, config.n_heads, config.feedforward, config.dropout, "gelu",
            batch_first=True, norm_first=True,
        )  # fmt: skip
        self.encoder = nn.TransformerEncoder(
            layer, config.n_layers, nn.LayerNorm(width), enable_nested_tensor=False
        )
        self.head = nn.Linear(width, N_PITCHES)
        self.onset = nn.Linear(width, N_ONSETS) if config.onset else None

    def forward(self, codes: Tensor | PartlyPredicted, lengths: LongTensor) -> Tensor:
        """Logits of the pitch tokens (B, L, 128).

        Args:
            codes: Codes (B, L, N), -1 (`DROPPED`) where one is not known; their distributions
                (B, L, N, V), through which gradients flow; or `PartlyPredicted`.
            lengths (LongTensor): Frames of each utterance (B,).
        """
        return self.head(self.hidden(codes, lengths))

    def with_onsets(
        self, codes: Tensor | PartlyPredicted, lengths: LongTensor
    ) -> tuple[Tensor, Tensor | None]:
        """As `forward`, and logits of `NOTE_ONSET` and `VOWEL_ONSET` (B, L, 2); None without."""
        hidden = self.hidden(codes, lengths)
        return self.head(hidden), None if self.onset is None else self.onset(hidden)

    def hidden(self, codes: Tensor | PartlyPredicted, lengths: LongTensor) -> Tensor:
        """What the encoder makes of the codes (B, L, width)."""
        x = self.norm(self.projection(self.embedding(codes)))
        mask = torch.arange(x.size(1), device=x.device) < lengths[:, None]
        x = x * mask[..., None]
        x = x + nn.functional.gelu(self.position(x))
        return self.encoder(self.dropout(x), src_key_padding_mask=~mask)
