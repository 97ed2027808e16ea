"""Links and commands of README.md and docs/: what they name is there; nothing is run."""

import argparse
import re
import shlex
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest

from espnet2_ext.bin.family import Family

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
HOMES = [ROOT, *sorted(path for path in ROOT.glob("egs2/*/*") if (path / "run.sh").exists())]
EXAMPLES = ("mine", "my_", "humming")  # of files that a reader is to write
PASSED_ON = {
    "--train_args": ("espnet2_ext.bin.train", "speechlm"),
    "--flow_args": ("espnet2_ext.bin.train", "flow"),
    "--vocoder_args": ("espnet2_ext.bin.train", "vocoder"),
    "--inference_args": ("espnet2_ext.bin.infer", "speechlm"),
    "--flow_inference_args": ("espnet2_ext.bin.infer", "flow"),
    "--vocabulary_args": ("espnet2_ext.bin.fit", "vocabulary"),
    "--judge_args": ("espnet2_ext.bin.fit", "judges"),
    "--score_args": ("espnet2_ext.bin.score",),
}
SCRIPT = re.compile(r"(\.\.?/)*([\w]+/)*\w+\.sh")
SHIPPED = re.compile(r"(\.\./)*(conf|egs2|benchmarks|tools|local|utils|scores)/[\w./]*\w\.\w+")
_LINK = re.compile(r"(?<!`)\[[^\]\n]*\]\(([^)\s]+)\)")
_FENCE = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_SPAN = re.compile(
    r"`((?:python -m espnet2_ext|python benchmarks/|\./run\.sh|local/\w+\.sh)[^`]*)`"
)


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


@cache
def anchors(page: Path) -> set[str]:
    """Of its headings, as GitHub makes them."""
    found: dict[str, int] = {}
    for head in re.findall(r"^#+ (.+)$", _FENCE.sub("", page.read_text("utf-8")), re.MULTILINE):
        text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", head.replace("`", "")).lower()
        slug = re.sub(r"[^\w\- ]", "", text).strip().replace(" ", "-")
        n = found[slug] = found.get(slug, -1) + 1
        if n:
            found[f"{slug}-{n}"] = 0
    return set(found)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page):
    text = _FENCE.sub("", page.read_text(encoding="utf-8"))
    for link in _LINK.findall(text):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target), link


def test_the_index_leads_to_every_page():
    """By way of an index of a folder, where it has one."""
    reached = set()
    for index in DOCS.rglob("index.md"):
        links = (link.partition("#")[0] for link in _LINK.findall(index.read_text("utf-8")))
        reached |= {(index.parent / link).resolve() for link in links if link.endswith(".md")}
    assert not [name_of(p) for p in PAGES[1:] if p not in reached and p != DOCS / "index.md"]


def blocks(page: Path) -> Iterator[str]:
    """Blocks of shell commands."""
    for language, text in _FENCE.findall(page.read_text(encoding="utf-8")):
        if language.strip() in ("", "sh", "bash", "console"):
            yield text


def commands(block: str) -> Iterator[list[str]]:
    """Its simple commands, as words."""
    for line in block.replace("\\\n", " ").splitlines():
        if re.match(r"[\w./]+ *\(|#", line):
            continue
        try:
            lexer = shlex.shlex(line, posix=True, punctuation_chars="();<>|&")
            lexer.commenters, lexer.whitespace_split = "#", True
            words = list(lexer)
        except ValueError:  # no shell
            continue
        command: list[str] = []
        for word in [*words, ";"]:
            if set(word) <= set("();|&"):
                if command:
                    yield command
                command = []
            else:
                command.append(word)


def placed(block: str, home: Path) -> list[tuple[list[str], Path]] | None:
    """Commands, each with the directory that it runs in; None where that lacks what they name."""
    found = []
    for command in commands(block):
        if command[0] == "cd" and len(command) == 2:
            home = home / command[1].replace("_free", "")  # a copy that the block makes
            if not home.is_dir():
                return None
            continue
        for word in command:
            named = SCRIPT.fullmatch(word) or SHIPPED.fullmatch(word)
            example = any(part in word for part in EXAMPLES)
            if named and not example and not (home / word).exists():
                return None
        found.append((command, home))
    return found


@cache
def parser_of(module: str, command: str) -> argparse.ArgumentParser | None:
    """Of a command line; None where ESPnet's own takes the options."""
    found = import_module(module)
    if command and hasattr(found, "__path__"):
        if command == "espnet":
            return None
        return _of_family(module, command)
    if module.endswith(".prepare"):
        from espnet2_ext.corpora.preparer import preparer_parser
        from espnet2_ext.corpora.registry import corpus_module

        return preparer_parser(corpus_module(command))
    return found.get_parser() if hasattr(found, "get_parser") else None


def _of_family(module: str, command: str) -> argparse.ArgumentParser | None:
    tasks = {
        "duration": "duration.PhoneDurationTask", "flow": "mel_flow.MelFlowTask",
        "speechlm": "speechlm.SpeechLMTask", "vocoder": "vocoder.VocoderTask",
    }  # fmt: skip
    assert command in Family(module).commands, command
    if not hasattr(import_module(f"{module}.{command}"), "call"):
        return Family(module).parser_of(command)
    if command not in tasks:
        return None
    room, _, task = tasks[command].partition(".")
    return getattr(import_module(f"espnet2_ext.tasks.{room}"), task).get_parser()


def options_of(words: list[str]) -> Iterator[str]:
    """Options, and those that the value of `--train_args` and the like has."""
    for before, word in zip(["", *words], words, strict=False):
        if before in PASSED_ON:
            check_module(PASSED_ON[before][0], [*PASSED_ON[before][1:], *shlex.split(word)])
        elif re.match(r"--[a-z]", word) and not before.endswith(("_opts", "_options", "_args")):
            yield word.partition("=")[0]


def check_module(module: str, words: list[str]) -> None:
    command = words[0] if words and re.fullmatch(r"\w+", words[0]) else ""
    parser = parser_of(module, command)
    if parser is not None:
        known = parser._option_string_actions
        for option in options_of(words):
            assert any(name.startswith(option) for name in known), f"{module} {command} {option}"


def check_script(script: Path, words: list[str]) -> None:
    """Options of a script by Kaldi's convention are the variables that it and its like set."""
    text, seen = "", [script.resolve()]
    home = script.parent if (script.parent / "run.sh").exists() else script.parent.parent
    for path in seen:
        text += path.read_text(encoding="utf-8")
        named = re.findall(r"[\w./]+\.sh\b", path.read_text(encoding="utf-8"))
        seen += [
            found
            for found in ((home / name).resolve() for name in named)
            if found.is_file() and found not in seen and ROOT in found.parents
        ]
    for option in options_of(words):
        name = option[2:]
        known = re.search(rf"^\s*{name}=|[\s(]{option}\)|= {option} ]", text, re.MULTILINE)
        assert known, f"{script.name} {option}"


def check(command: list[str], place: Path) -> None:
    while command and re.match(r"\w+=", command[0]):
        command = command[1:]
    if command[:2] == ["python", "-m"]:
        module, *words = command[2:]
        if module.startswith("espnet2_ext.bin.") and "..." not in words:
            check_module(module, words)
    elif command[:1] == ["python"] and len(command) > 1 and "benchmarks/" in command[1]:
        script = ROOT / "benchmarks" / Path(command[1]).name
        assert script.is_file(), command[1]
        text = "".join(path.read_text("utf-8") for path in script.parent.glob("*.py"))
        for option in options_of(command[2:]):
            assert f'"{option}"' in text, f"{command[1]} {option}"
    else:
        words = command[1:] if command[:1] == ["bash"] else command
        if words and SCRIPT.fullmatch(words[0]) and (place / words[0]).is_file():
            check_script(place / words[0], words[1:])


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_commands_are_there_and_know_their_options(page):
    text = page.read_text(encoding="utf-8")
    named = [*blocks(page), *_SPAN.findall(_FENCE.sub("", text))]
    for block in named if page.name != "add_a_corpus.md" else ():  # a test runs that page
        wrong: AssertionError | None = AssertionError(f"no directory has all of this:\n{block}")
        for found in (placed(block, home) for home in HOMES):
            try:
                for command, place in found or ():
                    check(command, place)
            except AssertionError as error:  # such a script lies in another recipe too
                wrong = error
                continue
            if found is not None:
                wrong = None
                break
        if wrong:
            raise wrong


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_numbers_of_commands_are_numbers_to_yaml(page):
    """Which reads 1e-3 as text."""
    text = page.read_text(encoding="utf-8")
    assert not re.findall(r"\w+[=:] ?\d+e-?\d+\b", text)
