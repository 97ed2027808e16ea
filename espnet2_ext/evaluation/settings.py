"""Options and paths of a recipe's run, as the scripts of the recipe print them."""

from collections.abc import Iterable

from espnet2_ext.errors import UserError


class Settings(dict[str, str]):
    """Options and paths of a run, by the names that they have in the recipe's scripts."""

    @classmethod
    def parse(cls, lines: Iterable[str]) -> "Settings":
        """From lines NAME=VALUE."""
        pairs = (line.rstrip("\n").partition("=") for line in lines)
        return cls({name: value for name, _, value in pairs})

    def __missing__(self, name: str) -> str:
        raise UserError("settings", f"no {name}", "a line NAME=VALUE of the recipe")
