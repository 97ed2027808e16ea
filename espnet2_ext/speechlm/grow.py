"""A pretrained LM's tables grown to a larger vocabulary.

Every row that the checkpoint has stays bit for bit. A new row starts from one of three rules:

- ``phones``: ``svs_<phone>`` from the mean of the phone or text tokens that spell the phone;
- ``slot``: a marker in an unused special token's place keeps that token's row;
- ``mean``: all others from the mean of the table, with noise of a tenth of its deviation (a mean
  of rows is where pretrained logits are least disturbed: Hewitt 2021, "Initializing new word
  embeddings for pretrained language models").
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from espnet2_ext.errors import UserError
from espnet2_ext.score.music_score import REST_PHONES
from espnet2_ext.tokenizer.svs_lb import PREFIX
from espnet2_ext.tokenizer.vocabulary import Vocabulary

NOISE = 0.1
TABLES = ("corelm.emb.weight", "corelm.lm_head.weight")
_AUX_TABLE = "corelm.aux_lm_head.weight"
_UNUSED, _SHOWN = "<unused_token_", 8


@dataclass(frozen=True)
class NewRow:
    """A token that the checkpoint does not have, and what its rows start from.

    Args:
        id: Its place.
        token: Its name.
        rule: ``phones``, ``slot`` or ``mean``.
        sources: Ids of the tokens whose mean it starts from, for ``phones``.
    """

    id: int
    token: str
    rule: str
    sources: tuple[int, ...] = ()


@dataclass(frozen=True)
class Grown:
    """State with the tables grown, and the new rows."""

    state: dict[str, Tensor] = field(repr=False)
    rows: list[NewRow]


def grow(state: Mapping[str, Tensor], old: Vocabulary, new: Vocabulary, seed: int = 0) -> Grown:
    """Grow embedding and head from `old` to `new`.

    Args:
        state: The checkpoint's parameters; its tables have a row for each token of `old`.
        old: The checkpoint's tokens.
        new: The model's tokens, which begin with those of `old`.
        seed: Of the noise.

    Raises:
        UserError: `new` does not extend `old`, or a table has not a row for each token.
    """
    rows = new_rows(old, new)
    grown = dict(state)
    for name in TABLES:
        if name in state:
            if len(state[name]) != len(old):
                raise UserError(old.place, f"{len(state[name])} rows", f"{len(old)} tokens", name)
            grown[name] = _grow_table(state[name], rows, len(new), seed)
    if _AUX_TABLE in state and old.stream_slices() != new.stream_slices():
        table, slices = state[_AUX_TABLE], new.stream_slices()
        grown[_AUX_TABLE] = mean_rows(table, slices[-1][1] - slices[1][0], seed)
    return Grown(grown, rows)


def new_rows(old: Vocabulary, new: Vocabulary) -> list[NewRow]:
    """The tokens of `new` that `old` lacks, with their rules.

    Raises:
        UserError: a token of `old` has another place or name in `new`.
    """
    expected = f"{old.place} extended (--base_vocabulary)"
    if len(new) < len(old):
        raise UserError(new.place, f"{len(new)} tokens, fewer than {len(old)}", expected)
    rows = []
    for i, (before, after) in enumerate(zip(old.tokens, new.tokens, strict=False)):
        if before == after or after == Vocabulary.former(before):
            continue
        if not before.startswith(_UNUSED):
            raise UserError(new.place, f"token {i} is {after!r}, not {before!r}", expected)
        rows.append(NewRow(i, after, "slot"))
    spelling = _Spelling(old)
    for i in range(len(old), len(new)):
        sources = tuple(spelling(new.tokens[i]))
        rows.append(NewRow(i, new.tokens[i], "phones" if sources else "mean", sources))
    return rows


def mean_rows(table: Tensor, n: int, seed: int) -> Tensor:
    """`n` rows around the mean of `table` (V, d); the same for the same table and seed."""
    noise = torch.randn(n, table.size(1), generator=torch.Generator().manual_seed(seed))
    values = table.float()
    return (values.mean(0) + NOISE * values.std() * noise).to(table.dtype)


def row_table(rows: list[NewRow], old: Vocabulary) -> dict[str, str]:
    """Token -> its rule, and the tokens whose mean it starts from: a Kaldi table."""
    return {row.token: " ".join((row.rule, *(old.tokens[i] for i in row.sources))) for row in rows}


def describe(rows: list[NewRow]) -> Iterator[str]:
    """One line for each rule: how many rows took it, and the first of them."""
    for rule in ("phones", "slot", "mean"):
        tokens = [row.token for row in rows if row.rule == rule]
        if tokens:
            more = " ..." if len(tokens) > _SHOWN else ""
            yield f"{len(tokens)} new tokens by rule {rule}: {' '.join(tokens[:_SHOWN])}{more}"


def _grow_table(table: Tensor, rows: list[NewRow], size: int, seed: int) -> Tensor:
    n_old = len(table)
    if size == n_old:
        return table
    added = mean_rows(table, size - n_old, seed)
    for row in rows:
        if row.rule == "phones":
            added[row.id - n_old] = table[list(row.sources)].float().mean(0).to(table.dtype)
    return torch.cat([table, added])


class _Spelling:
    """Finds the tokens of a vocabulary that a phone is made of: g2p phones first, then text."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.inventories = []
        for modality, symbol in (("g2p", _g2p_symbol), ("text_bpe", _text_symbol)):
            start, end = vocabulary.bias.get(modality, (0, 0))
            inventory: dict[str, list[int]] = {}
            for i in range(start, end):
                inventory.setdefault(symbol(vocabulary.tokens[i]), []).append(i)
            self.inventories.append(inventory)

    def __call__(self, token: str) -> list[int]:
        """Ids that spell ``svs_<phone>``; none for other tokens, rests and MIDI numbers."""
        phone = token.removeprefix(PREFIX)
        if phone == token or phone.isdigit() or phone in REST_PHONES:
            return []
        phone = phone.rpartition("_")[2].rpartition("/")[2].lower()
        return next(filter(None, (_cover(phone, i) for i in self.inventories)), [])


def _cover(phone: str, inventory: Mapping[str, list[int]]) -> list[int]:
    """Ids of the longest symbols that make up `phone` from the left; none if some part is left."""
    ids: list[int] = []
    while phone:
        n = next((n for n in range(len(phone), 0, -1) if phone[:n] in inventory), 0)
        if not n:
            return []
        ids += inventory[phone[:n]]
        phone = phone[n:]
    return ids


def _g2p_symbol(token: str) -> str:
    return token.removeprefix("g2p_").rstrip("0123456789").lower()


def _text_symbol(token: str) -> str:
    return token.lstrip("\u0120\u2581 ")  # the marks of a word's begin
