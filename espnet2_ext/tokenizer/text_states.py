"""What models read of a text: a language model's hidden states, or SentencePiece ids."""

import io
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch

from espnet2_ext.checkpoint import load_state, save_safetensors
from espnet2_ext.errors import UserError
from espnet2_ext.files import read_bytes
from espnet2_ext.hub import fetch

_PIECES = "sentencepiece"


class TextStates:
    """Hidden states of a frozen Hugging Face language model, as InstructAudio takes Qwen2.5-7B's.

    Args:
        model: Folder, or name on the hub.
        layer: Of ``hidden_states``; -1 is the last, after the model's final norm.
        device: Where it runs.
        dtype: Of its weights.
        offline: Take the hub's cache alone.

    Raises:
        UserError: it cannot be loaded, or has no such layer.
    """

    def __init__(
        self,
        model: str,
        layer: int = -1,
        device: str = "cpu",
        dtype: str = "float32",
        offline: bool = False,
    ) -> None:
        from transformers import AutoModel, AutoTokenizer

        options = {"local_files_only": True, "trust_remote_code": False}
        try:
            folder = fetch(model, offline=offline)
            self.tokenizer = AutoTokenizer.from_pretrained(folder, **options)
            loaded = AutoModel.from_pretrained(
                folder, dtype=getattr(torch, dtype), use_safetensors=True, **options
            )
        except (OSError, ValueError, RuntimeError) as error:
            reason = str(error).strip().partition("\n")[0]
            raise UserError(model, f"cannot load ({reason})", "a language model") from None
        self.model = loaded.to(device).eval()
        n_layers = self.model.config.num_hidden_layers
        if not -n_layers - 1 <= layer <= n_layers:
            raise UserError(model, f"{layer}", f"{-n_layers - 1} to {n_layers}", "layer")
        self.layer = layer

    @torch.no_grad()
    def __call__(self, text: str, place: str) -> np.ndarray:
        """States (S, d) of a text; `UserError` at `place` where it is empty."""
        ids = self.tokenizer(text, return_tensors="pt").input_ids.to(self.model.device)
        if not ids.size(1):
            raise UserError(place, "no text", "an instruction", "instruction")
        states = self.model(ids, output_hidden_states=True).hidden_states[self.layer]
        return states[0].float().cpu().numpy()


class TextPieces:
    """A SentencePiece model of the texts themselves.

    Args:
        path: The model; or its bytes in a .safetensors file, which holds no code (`save`).

    Raises:
        UserError: it cannot be read.
    """

    def __init__(self, path: str | Path) -> None:
        from sentencepiece import SentencePieceProcessor

        packed = Path(path).suffix == ".safetensors"
        held = load_state(path)[_PIECES].numpy().tobytes() if packed else read_bytes(path)
        try:
            self.model = SentencePieceProcessor(model_proto=held)
        except (OSError, RuntimeError) as error:
            raise UserError(path, f"{error}".partition("\n")[0], "a SentencePiece model") from None

    def save(self, path: str | Path) -> None:
        """Write a .safetensors file, as a pack holds it."""
        held = np.frombuffer(self.model.serialized_model_proto(), np.uint8)
        save_safetensors({_PIECES: torch.from_numpy(held.copy())}, path)

    @staticmethod
    def fit(texts: Iterable[str], n_symbols: int) -> bytes:
        """A model of at most `n_symbols` pieces, as its file holds it; the rest is bytes.

        Raises:
            UserError: fewer pieces than the texts have characters.
        """
        from sentencepiece import SentencePieceTrainer

        model = io.BytesIO()
        try:
            SentencePieceTrainer.train(
                sentence_iterator=iter(texts), model_writer=model, vocab_size=n_symbols,
                hard_vocab_limit=False, byte_fallback=True, num_threads=1, minloglevel=2,
            )  # fmt: skip
        except RuntimeError as error:
            reason = str(error).rpartition("] ")[2].partition(". ")[0]
            raise UserError("instructions", reason, "more pieces", "--n_symbols") from None
        return model.getvalue()

    def __call__(self, text: str, place: str) -> np.ndarray:
        """Ids (S,) of a text; `UserError` at `place` where it is empty."""
        ids = self.model.encode(text)
        if not ids:
            raise UserError(place, "no text", "an instruction", "instruction")
        return np.array(ids, np.int32)
