"""What a Humdrum file says that its MusicXML must have kept: syllables, and the order of play."""

import re

_LYRICS = ("**text", "**silbe")
_EXPANSION = re.compile(r"^\*>\[([^\]\t]*)\]", re.MULTILINE)
_REPEAT = re.compile(r"^=[^\t\n]*:[|!]", re.MULTILINE)
_WORDS = re.compile(r"^!!!OMD[^:\n]*:[ \t]*([^=\n]+)$", re.MULTILINE)
_NUMBERS = re.compile(r"^(?:.*\t)?\*MM[0-9]", re.MULTILINE)
_NOTHING = re.compile(r"[._|\s]*")


def syllables_of_kern(text: str) -> int:
    """How many syllables the text spines have, as far as their columns can be followed."""
    spines: list[str] = []
    found = 0
    for line in text.split("\n"):
        tokens = line.split("\t")
        if not line or line.startswith("!"):
            continue
        if tokens[0].startswith("**"):
            spines = tokens
        elif line.startswith("*"):
            spines = _moved(spines, tokens)
        elif not line.startswith("="):
            pairs = zip(spines, tokens, strict=False)
            found += sum(s in _LYRICS and not _NOTHING.fullmatch(t) for s, t in pairs)
    return found


def _moved(spines: list[str], tokens: list[str]) -> list[str]:
    """The spines after a line of interpretations, which may split, join, swap or end them."""
    moved: list[str] = []
    joins = swaps = False
    for spine, token in zip(spines, tokens, strict=False):
        if token == "*^":
            moved += [spine, spine]
        elif token == "*x" and swaps:
            moved.insert(len(moved) - 1, spine)
        elif token not in ("*-",) and not (token == "*v" and joins):
            moved.append(spine)
        joins, swaps = token == "*v", token == "*x" and not swaps
    return moved


def expanded_otherwise(text: str) -> bool:
    """Whether sections are played again (``*>[A,A,B]``) where no repeat sign says so."""
    expansion = _EXPANSION.search(text)
    sections = expansion[1].split(",") if expansion else []
    return len(sections) > len(set(sections)) and not _REPEAT.search(text)


def tempo_in_words(text: str) -> list[str]:
    """The tempo designations (!!!OMD) of a file where no *MM gives a number."""
    return [] if _NUMBERS.search(text) else [words.strip() for words in _WORDS.findall(text)]
