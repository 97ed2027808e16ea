"""Multi-stream core LM: summed embeddings, a Hugging Face decoder, one head over the vocabulary."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import LongTensor, Tensor, nn
from transformers import AutoConfig, AutoModel

ATTENTION = ("sdpa", "flash_attention_2", "eager")


class DelayLM(nn.Module):
    """Decoder over delayed streams; parameters are named as ESPnet-SpeechLM names its own.

    Args:
        vocab_size: Tokens of all modalities.
        stream_slices: [start, end) of each stream's tokens.
        eos: Token that ends the target, predicted by stream 0.
        backbone: ``model_type`` of a Hugging Face causal LM and the arguments of its config.
        attention: One of `ATTENTION`.
        gradient_checkpointing: Recompute layers in the backward pass.
        max_streams: Rows of the stream embedding.
        share_emb: Tie head and embedding.
        dropout: On the input embeddings.
    """

    def __init__(
        self,
        vocab_size: int,
        stream_slices: Sequence[tuple[int, int]],
        eos: int,
        backbone: Mapping[str, Any],
        attention: str = "sdpa",
        gradient_checkpointing: bool = False,
        max_streams: int = 12,
        share_emb: bool = False,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if attention not in ATTENTION:
            raise ValueError(f"attention {attention!r} is not one of {', '.join(ATTENTION)}")
        if len(stream_slices) > max_streams:
            raise ValueError(f"{len(stream_slices)} streams, more than max_streams {max_streams}")
        config = _config(backbone)
        self.d_model, self.attention = config.hidden_size, attention
        self.stream_slices, self.eos = list(stream_slices), eos
        self.emb = nn.Embedding(vocab_size, self.d_model)
        self.lm_head = nn.Linear(self.d_model, vocab_size, bias=False)
        # Stream q adds row q to the hidden state; row 0 stays zero, as upstream.
        self.head_emb = nn.Embedding(max_streams, self.d_model, padding_idx=0)
        self.dropout = nn.Dropout(dropout)
        self.decoders = nn.Module()
        self.decoders.model = AutoModel.from_config(config, attn_implementation=attention)
        self.decoders.model.set_input_embeddings(None)
        if gradient_checkpointing:
            self.decoders.model.gradient_checkpointing_enable({"use_reentrant": False})
        for weight in (self.emb.weight, self.lm_head.weight):
            nn.init.normal_(weight, std=config.initializer_range)
        if share_emb:
            self.lm_head.weight = self.emb.weight

    @property
    def nq(self) -> int:
        return len(self.stream_slices)

    def embed(self, tokens: LongTensor, condition: Tensor | None = None) -> Tensor:
        """Sum the streams' embeddings: (B, T, nq) -> (B, T, d); `condition` (B, T, d) is added."""
        x = self.emb(tokens).sum(2)
        return self.dropout(x if condition is None else x + condition)

    def hidden(self, embedded: Tensor) -> Tensor:
        """Run the decoder over right-padded sequences (B, T, d); causal, so no mask is needed."""
        return self.decoders.model(inputs_embeds=embedded, use_cache=False).last_hidden_state

    def stream_logits(self, hidden: Tensor, q: int) -> Tensor:
        """Logits of stream q over its own slice, then EOS for stream 0.

        Args:
            hidden: (N, d), the stream embedding not yet added.
            q: Stream.
        """
        start, end = self.stream_slices[q]
        if q == 0:
            weight = torch.cat(
                [self.lm_head.weight[start:end], self.lm_head.weight[self.eos, None]]
            )
            return hidden @ weight.T
        return (hidden + self.head_emb.weight[q]) @ self.lm_head.weight[start:end].T

    def head_table(self) -> tuple[Tensor, Tensor]:
        """All streams' heads as one table, for decoding.

        Returns:
            tuple[Tensor, Tensor]: weights (nq, d, K) and biases (nq, K), K the largest slice plus
            EOS in the last place; a bias of -inf closes what a stream does not have.
        """
        K = max(end - start for start, end in self.stream_slices) + 1
        table = self.lm_head.weight.new_zeros(self.nq, K, self.d_model)
        bias = table.new_full((self.nq, K), float("-inf"))
        for q, (start, end) in enumerate(self.stream_slices):
            table[q, : end - start] = self.lm_head.weight[start:end]
            bias[q, : end - start] = table[q, : end - start] @ self.head_emb.weight[q] if q else 0.0
        table[0, -1], bias[0, -1] = self.lm_head.weight[self.eos], 0.0
        return table.transpose(1, 2).contiguous(), bias


def _config(backbone: Mapping[str, Any]) -> Any:
    arguments = dict(backbone)
    model_type = arguments.pop("model_type", None)
    if not isinstance(model_type, str):
        raise ValueError("the backbone lacks model_type (expected one as 'llama' or 'qwen2')")
    # The input embedding is ours, so the backbone's own vocabulary is kept at one token.
    arguments |= {"vocab_size": 1, "pad_token_id": None, "bos_token_id": None, "eos_token_id": None}
    config = AutoConfig.for_model(model_type, **arguments)
    known = type(config)().to_dict().keys() | {"attn_implementation"}
    unknown = sorted(arguments.keys() - known)
    if unknown:
        raise ValueError(f"backbone {model_type}: unknown key {unknown[0]!r}")
    config.use_cache = False
    return config
