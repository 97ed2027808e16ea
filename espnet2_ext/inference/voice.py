"""A voice to sing in: recordings of a singer, as tokens of a pack's tokenizers, in one file.

The file is safetensors: ``prompt_0``, ``prompt_1``, ... int32 (P, nq), and metadata ``format``,
``name`` and ``tokenizer``. Packs of the same tokenizers share voices.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import safe_open
from torch import LongTensor, Tensor

from espnet2_ext.checkpoint import load_state, save_safetensors
from espnet2_ext.digest import digest_files
from espnet2_ext.errors import UserError
from espnet2_ext.flow.token_embedding import check_codes

VOICE_SUFFIX = ".safetensors"
FORMAT = "espnet2-ext voice 1"
_PROMPT = "prompt_{}"


@dataclass(frozen=True)
class Voice:
    """Recordings of a singer.

    Args:
        name: Of the singer, for people.
        prompts: Tokens of each recording (P, nq).
        tokenizer: `tokenizer_digest` of those that made them.
    """

    name: str
    prompts: tuple[LongTensor, ...]
    tokenizer: str

    def save(self, path: str | Path) -> None:
        """Write the file atomically.

        Raises:
            UserError: another suffix than `VOICE_SUFFIX`.
        """
        if Path(path).suffix != VOICE_SUFFIX:
            raise UserError(path, f"suffix {Path(path).suffix!r}", VOICE_SUFFIX)
        state = {_PROMPT.format(k): p.to(torch.int32) for k, p in enumerate(self.prompts)}
        said = {"format": FORMAT, "name": self.name, "tokenizer": self.tokenizer}
        save_safetensors(state, path, said)

    @classmethod
    def load(cls, path: str | Path) -> "Voice":
        """Read a file of `save`.

        Raises:
            UserError: there is none, or it is no voice.
        """
        state = load_state(path)
        with safe_open(path, "pt") as file:
            said = file.metadata() or {}
        names = [_PROMPT.format(k) for k in range(len(state))]
        if said.get("format") != FORMAT or not names or set(names) != state.keys():
            raise UserError(path, "no voice", "a file of `voice save`")
        for name in names:
            if state[name].dtype != torch.int32:
                raise UserError(path, f"{state[name].dtype}", "int32", name)
        prompts = tuple(state[name].long() for name in names)
        return cls(said.get("name", ""), prompts, said.get("tokenizer", ""))

    def check(self, sizes: Sequence[int], tokenizer: str, place: str | Path) -> None:
        """Refuse a voice of other tokenizers than a pack's.

        Args:
            sizes: Codes of each stream (nq,).
            tokenizer: The pack's digest.
            place: Where the voice comes from, for errors.

        Raises:
            UserError: another digest, or tokens that these tokenizers do not make.
        """
        if self.tokenizer != tokenizer:
            expected = "those of the pack: save the voice again with `voice save --model PACK`"
            raise UserError(place, "tokens of other tokenizers", expected, "voice")
        for k, tokens in enumerate(self.prompts, 1):
            check_prompt(tokens, sizes, f"{place}: prompt {k}")

    def tokens(self, used_frames: int | None) -> LongTensor:
        """The recordings one after the other, as one prompt (P, nq); see `concatenate`."""
        return concatenate(self.prompts, used_frames)


def concatenate(prompts: Sequence[Tensor], used_frames: int | None) -> Tensor:
    """Several prompts as one.

    A model uses the first frames of a prompt. So each recording gives as many of these frames as
    the others; what is left of them follows, again in turns. Where a recording has ended, the
    others share its turns. Of a model that takes the mean over a prompt's frames, the result is the
    mean of the recordings.

    Args:
        prompts: Tokens (P, nq) of each.
        used_frames: Frames that the models use, at least; None: all.

    Returns:
        Tokens (sum of P, nq).
    """
    if len(prompts) == 1 or used_frames is None:
        return torch.cat(list(prompts))
    left, taken = list(prompts), []
    while left:
        room = used_frames - sum(map(len, taken))
        n = max(1, room // len(left)) if room > 0 else used_frames
        taken += [prompt[:n] for prompt in left]
        left = [prompt[n:] for prompt in left if len(prompt) > n]
    return torch.cat(taken)


def check_prompt(tokens: Tensor, sizes: Sequence[int], place: str) -> None:
    """Refuse tokens that are no prompt (P, nq) of these stream sizes; raises `UserError`."""
    if tokens.dim() != 2 or not len(tokens) or tokens.size(1) != len(sizes):
        raise UserError(place, f"tokens of shape {tuple(tokens.shape)}", f"(P, {len(sizes)})")
    check_codes(tokens, sizes, place)


def tokenizer_digest(folder: str | Path) -> str:
    """One word for what the tokenizers of a folder make of audio."""
    files = [p for p in sorted(Path(folder).iterdir()) if p.suffix in (".yaml", ".safetensors")]
    return digest_files(*files)
