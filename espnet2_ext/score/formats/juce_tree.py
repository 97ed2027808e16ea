"""JUCE's ValueTree as that framework writes it to a stream: VoiSona's projects are such trees.

A node is its type, its properties and its children. Whole numbers of lengths have one byte that
says how many bytes follow, low byte first; texts end with a zero byte; a property's value is its
length, a byte for its kind, and its data.
"""

import struct
from dataclasses import dataclass, field
from xml.etree.ElementTree import Element

from espnet2_ext.errors import UserError

MAX_DEPTH = 64
Value = int | float | str | bytes | bool | None
_TRUE, _FALSE, _TEXT, _BINARY = 2, 3, 5, 8
_NUMBERS = {1: "<i", 4: "<d", 6: "<q"}


@dataclass
class Tree:
    """A node: its type, its properties (numbers, texts, bytes; None for other kinds), children."""

    kind: str
    values: dict[str, Value] = field(default_factory=dict)
    children: list["Tree"] = field(default_factory=list)

    def child(self, kind: str) -> "Tree":
        """The first child of a type; an empty one where there is none."""
        return next((child for child in self.children if child.kind == kind), Tree(kind))

    def element(self) -> Element:
        """The tree as XML, values as text."""
        values = {k: str(v) for k, v in self.values.items() if isinstance(v, int | float | str)}
        element = Element(self.kind, values)
        element.extend(child.element() for child in self.children)
        return element


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def take(self, length: int) -> bytes:
        if length > len(self.data) - self.at:
            raise ValueError(f"ends at byte {len(self.data)} within a value")
        self.at += length
        return self.data[self.at - length : self.at]

    def count(self) -> int:
        n_bytes = self.take(1)[0]
        if n_bytes > 4:  # the high bit: a negative number
            raise ValueError(f"byte {self.at}: a length of {n_bytes} bytes")
        return int.from_bytes(self.take(n_bytes), "little")

    def text(self) -> str:
        end = self.data.find(b"\0", self.at)
        if end < 0:
            raise ValueError(f"byte {self.at}: a text without an end")
        text = self.take(end - self.at).decode("utf-8")
        self.at += 1
        return text

    def value(self) -> Value:
        data = self.take(self.count())
        kind, data = (data[0], data[1:]) if data else (0, b"")
        if kind in _NUMBERS:
            return struct.unpack(_NUMBERS[kind], data)[0]
        if kind == _TEXT:
            return data.rstrip(b"\0").decode("utf-8")
        return {_TRUE: True, _FALSE: False, _BINARY: data}.get(kind)

    def tree(self, depth: int) -> Tree:
        if depth > MAX_DEPTH:
            raise ValueError(f"byte {self.at}: more than {MAX_DEPTH} nodes within each other")
        node = Tree(self.text())
        for _ in range(self.count()):
            name = self.text()
            node.values[name] = self.value()
        for _ in range(self.count()):
            node.children.append(self.tree(depth + 1))
        return node


def parse_tree(data: bytes, place: object, expected: str) -> Tree:
    """The tree in a stream; what follows it is not read.

    Raises:
        UserError: cut short, or no such stream, naming the byte.
    """
    try:
        return _Reader(data).tree(0)
    except (ValueError, struct.error) as error:  # the former also of a text that is not UTF-8
        raise UserError(place, f"damaged ({error})", expected) from None
