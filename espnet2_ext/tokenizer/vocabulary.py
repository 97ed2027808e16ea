"""ESPnet-SpeechLM's vocabulary: special tokens, modality and task markers, then modality tokens.

Names and positions are those of ESPnet-SpeechLM's public checkpoints, so that a pretrained token
list can be extended and its rows kept. ``token_bias.json`` gives each modality's first index
(``[start, end)`` in later releases; both are read).
"""

import re
import reprlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from espnet2_ext.config_types import fits
from espnet2_ext.errors import UserError
from espnet2_ext.files import MAX_TEXT_BYTES, read_json, write_json
from espnet2_ext.score.music_score import REST_PHONES
from espnet2_ext.tokenizer.svs_lb import svs_tokens

TOKEN_LIST, TOKEN_BIAS = "token_list.json", "token_bias.json"
PAD, SOS_EOS = "<pad>", "<sos/eos>"
G2P_PREFIX = "g2p_"
GENERAL_TOKENS = (
    "<pad>", "<unk>", "<blank>", "<space>", "<continuous_placeholder>", "<sos/eos>",
    "<local_sos/eos>", "<unkown_task_identifer>",
)  # fmt: skip
MODALITIES = (
    "codec", "ssl", "codec_ssl", "text_bpe", "g2p", "spk", "class", "bool", "video_ssl", "svs_lb",
    "wav", "text_emb", "ssl_feat",
)  # fmt: skip
TASKS = (
    "textlm", "audiolm", "tts", "bpe_tts", "asr", "ssl_asr", "mt", "text2audio", "visual_tts",
    "vc", "ssl2codec", "svs", "st", "se", "codec_ssl_asr", "codec_ssl_tts", "codec_ssl_plain_tts",
    "codec_ssl_audiolm", "codec_ssl_se", "codec_ssl_tse", "aac_codecssl", "ag_codecssl",
)  # fmt: skip
N_GENERAL, N_MODALITY, N_TASK, N_SPECIAL = 32, 64, 128, 256
_CODE_MODALITIES = ("codec_ssl", "ssl", "codec")
_CODE = re.compile(r"<(?:ssl_code(\d{1,9})|codec_layer(\d{1,9})_code(\d{1,9}))>")


def special_tokens() -> list[str]:
    """The first 256 tokens: 0-31 general, 32-63 modalities, 64-127 tasks, 128-255 reserved."""
    tokens = list(GENERAL_TOKENS)
    for names, end in (
        ((), N_GENERAL),
        ([f"<{m}_start/end>" for m in MODALITIES], N_MODALITY),
        ([f"<{t}_task>" for t in TASKS], N_TASK),
        ((), N_SPECIAL),
    ):
        tokens += names
        tokens += [f"<unused_token_{i}>" for i in range(len(tokens), end)]
    return tokens


def codec_ssl_tokens(ssl_size: int, n_codebooks: int, codebook_size: int) -> list[str]:
    """Tokens of one frame's streams: the SSL codes (numbered from 1 upstream), then the codec's."""
    return [f"<ssl_code{k + 1}>" for k in range(ssl_size)] + [
        f"<codec_layer{i}_code{k}>" for i in range(n_codebooks) for k in range(codebook_size)
    ]


@dataclass(frozen=True)
class Vocabulary:
    """All tokens of a speech LM and where each modality lies.

    Args:
        tokens: Every token; the index is the id.
        bias: Modality -> (start, end) ids.
        place: File it came from, for error messages.
    """

    tokens: tuple[str, ...]
    bias: Mapping[str, tuple[int, int]]
    place: str = "vocabulary"

    def __post_init__(self) -> None:
        if len(self.index) != len(self.tokens):
            seen: set[str] = set()
            double = next(t for t in self.tokens if t in seen or seen.add(t))
            raise UserError(self.place, f"duplicate token {double!r}", "each token once")
        for token in (PAD, SOS_EOS):
            if token not in self.index:
                raise UserError(self.place, f"no token {token}", "an ESPnet-SpeechLM token list")
        for modality, (start, end) in self.bias.items():
            if not 0 <= start < end <= len(self.tokens):
                raise UserError(
                    self.place, f"{start}-{end}", f"a range within 0-{len(self.tokens)}", modality
                )
        self.stream_slices()

    @cached_property
    def index(self) -> dict[str, int]:
        return {token: i for i, token in enumerate(self.tokens)}

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def nq(self) -> int:
        """Streams per frame: one SSL token and the codebooks."""
        return len(self.stream_slices())

    @property
    def pad(self) -> int:
        return self.index[PAD]

    @property
    def sos_eos(self) -> int:
        return self.index[SOS_EOS]

    def modality(self, name: str) -> int:
        """Id of ``<name_start/end>``."""
        return self.id(f"<{name}_start/end>")

    def task(self, name: str) -> int:
        """Id of ``<name_task>``."""
        return self.id(f"<{name}_task>")

    def id(self, token: str) -> int:
        """Id of a token; a token that is not there is a `UserError`."""
        try:
            return self.index[token]
        except KeyError:
            raise UserError(self.place, f"no token {token!r}") from None

    def ids(self, tokens: Iterable[str]) -> list[int]:
        return [self.id(token) for token in tokens]

    def stream_slices(self) -> list[tuple[int, int]]:
        """(start, end) ids of each target stream: SSL, then codec layer 0, 1, ..."""
        return self._slices

    @cached_property
    def _slices(self) -> list[tuple[int, int]]:
        streams: dict[int, list[int]] = {}
        for i, token in enumerate(self.tokens):
            match = _CODE.fullmatch(token)
            if not match:
                continue
            ssl, layer, code = match.groups()
            stream, position = (0, int(ssl) - 1) if ssl else (int(layer) + 1, int(code))
            ids = streams.setdefault(stream, [])
            if position != len(ids) or (ids and i != ids[-1] + 1):
                raise UserError(self.place, f"token {token} at {i}", "codes numbered in a row")
            ids.append(i)
        if sorted(streams) != list(range(len(streams))):
            raise UserError(self.place, f"streams {sorted(streams)}", "SSL and codec layers 0, 1..")
        return [(streams[s][0], streams[s][-1] + 1) for s in range(len(streams))]

    def to_global(self, codes: Tensor) -> Tensor:
        """Local codes (..., nq), each 0..K-1 in its stream, to token ids.

        Raises:
            ValueError: another number of streams, or a code outside its stream.
        """
        start, size = self._start_size(codes)
        if ((codes < 0) | (codes >= size)).any():
            raise ValueError(f"codes outside their streams of sizes {size.tolist()}")
        return codes + start

    def to_local(self, ids: Tensor) -> Tensor:
        """Token ids (..., nq) to local codes; the exact inverse of `to_global`."""
        start, size = self._start_size(ids)
        codes = ids - start
        if ((codes < 0) | (codes >= size)).any():
            raise ValueError("token ids outside their stream's slice")
        return codes

    def _start_size(self, codes: Tensor) -> tuple[Tensor, Tensor]:
        if codes.size(-1) != self.nq:
            raise ValueError(f"{codes.size(-1)} streams, the vocabulary has {self.nq}")
        slices = torch.tensor(self.stream_slices(), device=codes.device)
        return slices[:, 0], slices[:, 1] - slices[:, 0]

    @classmethod
    def build(
        cls,
        ssl_size: int,
        n_codebooks: int,
        codebook_size: int,
        phones: Sequence[str],
        tasks: Iterable[str] = ("svs",),
        base: "Vocabulary | None" = None,
        replace_codes: bool = False,
    ) -> "Vocabulary":
        """Lay out a vocabulary, or extend a pretrained one and keep all its ids.

        Args:
            ssl_size: SSL clusters.
            n_codebooks: Codec layers.
            codebook_size: Codes per layer.
            phones: Phone set.
            tasks: Tasks to serve, with a marker and the tokens of their conditions; one unknown
                upstream takes an unused slot.
            base: Pretrained vocabulary to append to.
            replace_codes: Do not take over the SSL and codec tokens of `base`: their rows stay,
                under the names of `former`, and new ones are appended.

        Raises:
            UserError: `base` has codec streams of other sizes and `replace_codes` is off, or no
                slot is left for a task.
        """
        place = base.place if base else "vocabulary"
        tokens = list(base.tokens) if base else special_tokens()
        bias = dict(base.bias) if base else {}
        codes = codec_ssl_tokens(ssl_size, n_codebooks, codebook_size)
        known = base.stream_slices() if base else []
        if known and replace_codes:
            tokens = [cls.former(token) if _CODE.fullmatch(token) else token for token in tokens]
            bias = {f"former_{m}" if m in _CODE_MODALITIES else m: r for m, r in bias.items()}
            known = []
        if known:
            sizes = [end - start for start, end in known]
            wanted = [ssl_size] + [codebook_size] * n_codebooks
            if sizes != wanted:
                raise UserError(
                    place,
                    f"streams of sizes {sizes}",
                    f"{wanted} as the tokenizers'; --reinit_audio starts these tokens anew",
                )
        else:
            bias["codec_ssl"] = (len(tokens), len(tokens) + len(codes))
            tokens += codes
        tasks = tuple(tasks)
        conditions = {
            "codec_ssl_tts": ("g2p", [G2P_PREFIX + p for p in phones if p not in REST_PHONES]),
            "svs": ("svs_lb", svs_tokens(phones)),
        }
        served = [conditions[task] for task in conditions if task in tasks]
        modalities = (*(modality for modality, _ in served), "spk", "codec_ssl")
        for modality, wanted in served:
            new = [token for token in wanted if token not in set(tokens)]
            if new:
                # an extended list may already hold some: the range then covers what was appended
                bias[modality] = (len(tokens), len(tokens) + len(new))
                tokens += new
        for marker, start, end in [
            *((f"<{m}_start/end>", N_GENERAL, N_MODALITY) for m in modalities),
            *((f"<{t}_task>", N_MODALITY, N_TASK) for t in tasks),
        ]:
            if marker in tokens:
                continue
            free = [i for i in range(start, end) if tokens[i].startswith("<unused_token_")]
            if not free:
                raise UserError(place, f"no unused token left for {marker}")
            tokens[free[0]] = marker
        return cls(tuple(tokens), bias, place)

    @staticmethod
    def former(token: str) -> str:
        """The name of an SSL or codec token that another tokenizer's has replaced."""
        return f"<former_{token[1:]}"

    def save(self, folder: str | Path) -> None:
        """Write ``token_list.json`` and ``token_bias.json`` (first indices)."""
        write_json(Path(folder) / TOKEN_BIAS, {m: start for m, (start, _) in self.bias.items()})
        write_json(Path(folder) / TOKEN_LIST, list(self.tokens))

    @classmethod
    def load(cls, folder: str | Path) -> "Vocabulary":
        """Read a folder written by `save`, or an upstream pair of files.

        Raises:
            UserError: naming the file and what is wrong with it.
        """
        place, bias_place = Path(folder) / TOKEN_LIST, Path(folder) / TOKEN_BIAS
        tokens, bias = (read_json(path, MAX_TEXT_BYTES) for path in (place, bias_place))
        return cls.read(tokens, bias, place, bias_place)

    @classmethod
    def read(
        cls, tokens: Any, bias: Any, place: str | Path, bias_place: str | Path | None = None
    ) -> "Vocabulary":
        """From a token list and its bias (first indices, or ``[start, end)``) as they were read."""
        bias_place = bias_place or place
        if not isinstance(tokens, list) or not all(isinstance(t, str) for t in tokens):
            raise UserError(place, "not a list of strings", "a token list")
        if not isinstance(bias, dict):
            raise UserError(bias_place, "not a mapping", "modality: first index")
        return cls(tuple(tokens), _ranges(bias, len(tokens), bias_place), str(place))


def _ranges(bias: Mapping, n_tokens: int, place: str | Path) -> dict[str, tuple[int, int]]:
    for modality, start in bias.items():
        if not fits(start, int | list[int]) or start == []:
            raise UserError(place, reprlib.repr(start), f"an index below {n_tokens}", modality)
    ranges = {}
    starts = sorted([s[0] if isinstance(s, list) else s for s in bias.values()] + [n_tokens])
    for modality, start in bias.items():
        if isinstance(start, list) and len(start) == 2 and all(type(s) is int for s in start):
            ranges[modality] = (start[0], start[1])
        elif type(start) is int and start < n_tokens:
            ranges[modality] = (start, next(s for s in starts if s > start))
        else:
            raise UserError(place, f"{start!r}", f"an index below {n_tokens}", modality)
    return ranges
