"""Multi-stream core LM: summed embeddings, a Hugging Face decoder, one head over the vocabulary."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import LongTensor, Tensor, nn

from espnet2_ext.errors import UserError
from espnet2_ext.files import parse_config
from espnet2_ext.speechlm.builtin import BuiltinConfig, BuiltinDecoder
from espnet2_ext.speechlm.kernels import use_kernels
from espnet2_ext.speechlm.llama import LlamaConfig, LlamaDecoder
from espnet2_ext.speechlm.packing import Segments, allow_packing

ATTENTION = ("auto", "sdpa", "flash_attention_2", "eager")
BUILTIN = "builtin"
MAX_SIZE = 2**24


class DelayLM(nn.Module):
    """Decoder over delayed streams; parameters are named as ESPnet-SpeechLM names its own.

    Args:
        vocab_size: Tokens of all modalities.
        stream_slices: [start, end) of each stream's tokens.
        eos: Token that ends the target, predicted by stream 0.
        backbone: ``model_type`` of a Hugging Face causal LM and the arguments of its config; or
            ``builtin`` and those of `BuiltinDecoder`.
        attention: One of `ATTENTION`; ``auto``: FlashAttention where it is installed and computes
            in 16 bits on a GPU, else sdpa.
        gradient_checkpointing: Recompute layers in the backward pass.
        max_streams: Rows of the stream embedding.
        share_emb: Tie head and embedding.
        aux_lm_head: Streams 1.. have a head of their own over the codec's tokens, as some
            checkpoints do.
        dropout: On the input embeddings.
        kernels: Fused ones of the decoder: ``none``, ``auto`` or ``liger`` (see `kernels`).
        for_inference: The model only decodes, so that transformers is not imported for a decoder
            that `llama` computes.
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
        aux_lm_head: bool = False,
        dropout: float = 0.0,
        kernels: str = "none",
        for_inference: bool = False,
    ) -> None:
        super().__init__()
        if attention not in ATTENTION:
            raise ValueError(f"attention {attention!r} is not one of {', '.join(ATTENTION)}")
        if len(stream_slices) > max_streams:
            raise ValueError(f"{len(stream_slices)} streams, more than max_streams {max_streams}")
        if attention == "flash_attention_2" and not has_flash_attention():
            raise ValueError("attention flash_attention_2: the package flash-attn is not installed")
        self.attention_wanted = attention
        self.attention = "sdpa" if attention == "auto" else attention
        self.packed = False
        plain = LlamaConfig.of(backbone) if for_inference and self.attention == "sdpa" else None
        config = plain or backbone_config(backbone)
        self.d_model, std = config.hidden_size, config.initializer_range
        self.stream_slices, self.eos = list(stream_slices), eos
        self.emb = nn.Embedding(vocab_size, self.d_model)
        self.lm_head = nn.Linear(self.d_model, vocab_size, bias=False)
        # Stream q adds row q to the hidden state. Row 0 starts at zero and is not trained; some
        # checkpoints bring another.
        self.head_emb = nn.Embedding(max_streams, self.d_model, padding_idx=0)
        self.dropout = nn.Dropout(dropout)
        self.decoders = _decoders(config, self.attention)
        if plain is None:
            use_kernels(self.backbone, kernels)
        if gradient_checkpointing:
            # transformers' name for it before 5.23 comes second
            enable = getattr(self.backbone, "activation_checkpointing_enable", None)
            enable = enable or self.backbone.gradient_checkpointing_enable
            enable({"use_reentrant": False})
        for weight in (self.emb.weight, self.lm_head.weight):
            nn.init.normal_(weight, std=std)
        self.aux_lm_head = None
        if aux_lm_head:
            self.aux_start = self.stream_slices[1][0]
            self.aux_lm_head = nn.Linear(
                self.d_model, self.stream_slices[-1][1] - self.aux_start, bias=False
            )
            nn.init.normal_(self.aux_lm_head.weight, std=std)
        if share_emb:
            self.lm_head.weight = self.emb.weight

    @property
    def nq(self) -> int:
        return len(self.stream_slices)

    @property
    def backbone(self) -> nn.Module:
        """The decoder: a Hugging Face base model without its input embedding, or the built-in."""
        return getattr(self.decoders, "model", self.decoders)

    def embed(self, tokens: LongTensor, condition: Tensor | None = None) -> Tensor:
        """Sum the streams' embeddings: (B, T, nq) -> (B, T, d); `condition` (B, T, d) is added."""
        x = self.emb(tokens).sum(2)
        return self.dropout(x if condition is None else x + condition)

    def allow_packing(self) -> None:
        """Let `hidden` take packed sequences.

        Raises:
            ValueError: the backbone, or its attention, cannot.
        """
        allow_packing(self.backbone, self.attention)
        self.packed = True

    def settle_attention(self) -> None:
        """Have the attention that the present precision can be computed with.

        Weights are cast after a model is built, by DeepSpeed or for inference.

        Raises:
            UserError: FlashAttention is insisted on, and these are no 16-bit weights.
        """
        device, dtype = self.emb.weight.device.type, self.emb.weight.dtype
        if torch.is_autocast_enabled(device):
            dtype = torch.get_autocast_dtype(device)
        flash = runs_flash_attention(device, dtype)
        if self.attention_wanted == "flash_attention_2" and not flash:
            found = f"flash_attention_2 for {dtype} on {device}".replace("torch.", "")
            expected = "16 bits on a GPU (--dtype), or auto"
            raise UserError("corelm_conf", found, expected, "attention")
        known = getattr(self.backbone, "_supports_flash_attn", False)
        wanted = "flash_attention_2" if flash and known else "sdpa"
        if self.attention_wanted == "auto" and wanted != self.attention:
            self.attention = wanted
            self.backbone.set_attn_implementation(wanted)
            if self.packed:
                allow_packing(self.backbone, wanted)

    def hidden(self, embedded: Tensor, segments: Segments | None = None) -> Tensor:
        """Run the decoder.

        Args:
            embedded: Right-padded sequences (B, T, d), causal, so that no mask is needed; or
                packed ones (1, N, d).
            segments: Of the packed sequences, after `allow_packing`.
        """
        self.settle_attention()
        if segments is None:
            return self.backbone(inputs_embeds=embedded, use_cache=False).last_hidden_state
        flash = self.attention == "flash_attention_2" and not isinstance(
            self.backbone, BuiltinDecoder
        )
        return self.backbone(
            inputs_embeds=embedded,
            position_ids=segments.position_ids,
            use_cache=False,
            **segments.arguments(flash),
        ).last_hidden_state

    def head(self, q: int) -> Tensor:
        """Weights of stream q's codes (K, d), then of EOS for stream 0."""
        weight = self._head_rows(q)
        return torch.cat([weight, self.lm_head.weight[self.eos, None]]) if q == 0 else weight

    def stream_logits(self, hidden: Tensor, q: int, head: Tensor | None = None) -> Tensor:
        """Logits of stream q over its own slice, then EOS for stream 0.

        Args:
            hidden: (N, d), the stream embedding not yet added.
            q: Stream.
            head: `head(q)`, where it is at hand.
        """
        h = hidden + self._stream_embedding(q)
        return h @ (self.head(q) if head is None else head).T

    def _stream_embedding(self, q: int) -> Tensor:
        return self.head_emb.weight[q] if q else self.head_emb.weight[0].detach()

    def _head_rows(self, q: int) -> Tensor:
        start, end = self.stream_slices[q]
        if q and self.aux_lm_head is not None:
            return self.aux_lm_head.weight[start - self.aux_start : end - self.aux_start]
        return self.lm_head.weight[start:end]

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
            table[q, : end - start] = self._head_rows(q)
            bias[q, : end - start] = table[q, : end - start] @ self._stream_embedding(q)
        table[0, -1] = self.lm_head.weight[self.eos]
        bias[0, -1] = table[0, -1] @ self._stream_embedding(0)
        return table.transpose(1, 2).contiguous(), bias


def runs_flash_attention(device: str, dtype: torch.dtype) -> bool:
    """Whether FlashAttention is there for such tensors: it takes 16 bits on a GPU alone."""
    if device != "cuda" or dtype not in (torch.float16, torch.bfloat16):
        return False
    return has_flash_attention()


def has_flash_attention() -> bool:
    """Whether transformers finds FlashAttention."""
    from transformers.utils import is_flash_attn_2_available

    return is_flash_attn_2_available()


def _decoders(config: Any, attention: str) -> nn.Module:
    if isinstance(config, BuiltinConfig):
        return BuiltinDecoder(config)
    decoders = nn.Module()
    if isinstance(config, LlamaConfig):
        decoders.model = LlamaDecoder(config)
        return decoders
    from transformers import AutoModel

    decoders.model = AutoModel.from_config(config, attn_implementation=attention)
    decoders.model.set_input_embeddings(None)  # ours is emb
    decoders.model.main_input_name = "inputs_embeds"
    return decoders


def backbone_config(backbone: Mapping[str, Any]) -> Any:
    """The configuration of a backbone: a Hugging Face one, or a `BuiltinConfig`.

    Raises:
        ValueError: an unknown model type or key.
    """
    arguments = dict(backbone)
    model_type = arguments.pop("model_type", None)
    if not isinstance(model_type, str):
        raise ValueError("the backbone lacks model_type (expected one as 'llama' or 'qwen2')")
    for key, value in arguments.items():
        # lists as long as some of these are made before any layer is
        if isinstance(value, int) and value > MAX_SIZE:
            raise ValueError(f"backbone {key} {value} is more than {MAX_SIZE}")
    if model_type == BUILTIN:
        return parse_config(BuiltinConfig, arguments, f"backbone {BUILTIN}")
    from transformers import AutoConfig

    # the input embedding is removed: the vocabulary is kept at one token
    arguments |= {"vocab_size": 1, "pad_token_id": None, "bos_token_id": None, "eos_token_id": None}
    config = AutoConfig.for_model(model_type, **arguments)
    known = type(config)().to_dict().keys() | {"attn_implementation"}
    unknown = sorted(arguments.keys() - known)
    if unknown:
        raise ValueError(f"backbone {model_type}: unknown key {unknown[0]!r}")
    config.use_cache = False
    return config
