"""Command lines of one kind as one: ``python -m espnet2_ext.bin.FAMILY COMMAND [options]``.

A family is a package; each of its modules is a command: its docstring says what it does; it has
``add_options(parser)`` and ``run(args)``, or ``call(argv)`` where another parser takes the options.
A new module is a new command.
"""

import argparse
import ast
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType

from espnet2_ext.errors import cli


class Help(argparse.RawDescriptionHelpFormatter):
    """Descriptions as they are written; each option with its default, where it has one."""

    def _get_help_string(self, action: argparse.Action) -> str:
        said = action.help or ""
        shown = isinstance(action.default, str | int | float) and action.default is not False
        if not shown or action.default in ("", argparse.SUPPRESS) or "default" in said:
            return said
        return f"{said} (default: %(default)s)"


class Family:
    """The commands of a package.

    Args:
        package: Its name.
        former: Command that options alone mean, as they did when it was the only one.
    """

    def __init__(self, package: str, former: str = "") -> None:
        self.package, self.former = package, former

    @property
    def commands(self) -> dict[str, str]:
        """Name and first line of the docstring of each; nothing is imported."""
        folder = Path(sys.modules[self.package].__file__).parent
        files = [path for path in sorted(folder.glob("*.py")) if not path.stem.startswith("_")]
        return {path.stem: _first_line(path) for path in files}

    def parser_of(self, name: str) -> argparse.ArgumentParser:
        """Options of a command."""
        module = self._module(name)
        parser = argparse.ArgumentParser(
            prog=f"{self.package.rpartition('.')[2]} {name}",
            description=module.__doc__,
            formatter_class=Help,
        )
        module.add_options(parser)
        return parser

    @property
    def main(self) -> Callable[..., int]:
        """The command line."""

        @cli
        def main(argv: Sequence[str] | None = None) -> int | None:
            argv = list(sys.argv[1:] if argv is None else argv)
            if self.former and argv and argv[0].startswith("--") and argv[0] != "--help":
                argv.insert(0, self.former)
            name = self._chooser().parse_args(argv[:1]).command
            module = self._module(name)
            if hasattr(module, "call"):
                return module.call(argv[1:])
            return module.run(self.parser_of(name).parse_args(argv[1:]))

        return main

    def _module(self, name: str) -> ModuleType:
        return import_module(f"{self.package}.{name}")

    def _chooser(self) -> argparse.ArgumentParser:
        doc, family = sys.modules[self.package].__doc__, self.package.rpartition(".")[2]
        parser = argparse.ArgumentParser(
            prog=family,
            description=doc,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            epilog="\n".join(f"  {name:14s} {what}" for name, what in self.commands.items())
            + f"\n\n{family} COMMAND --help: its options",
        )
        parser.add_argument("command", choices=self.commands, metavar="COMMAND", help="one of:")
        return parser


def _first_line(path: Path) -> str:
    doc = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return doc.partition("\n")[0]
