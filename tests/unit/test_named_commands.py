"""Every command that a hint, a message, a docstring or the documentation names exists, options included."""

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from envforge.cli.root import root

TOP = Path(__file__).parents[2]
SOURCES = sorted((TOP / "envforge").rglob("*.py"))
DOCUMENTS = [
    path for path in TOP.rglob("*.md") if not {".venv", "golden", ".git"} & set(path.relative_to(TOP).parts)
]
QUOTED = re.compile(r"`(?:sudo )?(envforge(?: [^`]+)?)`")
ANYWHERE = re.compile(r"\b(envforge [a-z][^`;,:.()]*)")
BLOCK = re.compile(r"^```(?:sh|console)\n(.*?)^```", re.MULTILINE | re.DOTALL)
TYPED = re.compile(r"^(?:\$ )?(?:\S*/bin/)?(envforge(?: .*)?)$", re.MULTILINE)
FILLED_IN = "FILLED-IN"


def complaint(line: str) -> str:
    """Return what is wrong with a command line, nothing where it could be typed."""
    line = re.sub(r"\s{2,}.*|\s#.*|…|\[|\]|\|.*|<.*|&&.*", "", line)  # examples explain themselves behind it
    words = iter(shlex.split(line.replace("'", "") if line.count("'") % 2 else line)[1:])
    command: click.Command = root
    for word in words:
        if word == "--" or is_inside(command, word):
            break
        if word.startswith("-") and word != "-":
            takes_value = option(command, word.partition("=")[0])
            if takes_value is None:
                return f"{command.name} has no option {word}"
            if takes_value and "=" not in word:
                next(words, "")
        elif isinstance(command, click.Group):
            below = command.get_command(click.Context(root), word)
            if below is None:
                return f"there is no command {word}"
            command = below
    return ""


def is_inside(command: click.Command, word: str) -> bool:
    """Say whether the rest of a line is not envforge's: a placeholder, or a command to be run."""
    if isinstance(command, click.Group):
        return word.isupper() or FILLED_IN in word
    return command.name == "run" and not word.startswith("-") and not word.isupper()


def option(command: click.Command, name: str) -> bool | None:
    """Say whether the option of that name takes a value; None where there is no such option."""
    if name in {"-h", "--help"}:
        return False
    for parameter in command.params:
        if isinstance(parameter, click.Option) and name in (*parameter.opts, *parameter.secondary_opts):
            return not (parameter.is_flag or parameter.count)
    if len(name) > 2 and not name.startswith("--"):  # `-it`
        taken = [option(command, f"-{letter}") for letter in name[1:]]
        return None if None in taken else any(taken)
    return None


def texts(path: Path) -> Iterator[tuple[int, str, bool]]:
    """Yield line, text, and whether it is a hint, of all text in a module; f-strings with words filled in."""
    tree = ast.parse(path.read_text())
    hints = {
        id(part)
        for node in ast.walk(tree)
        if isinstance(node, ast.keyword) and node.arg == "hint"
        for part in ast.walk(node.value)
    }
    inner = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            parts = [part.value if isinstance(part, ast.Constant) else FILLED_IN for part in node.values]
            yield node.lineno, "".join(map(str, parts)), id(node) in hints
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inner:
            yield node.lineno, node.value, id(node) in hints


def commands_in_code(path: Path) -> Iterator[tuple[str, str]]:
    for line, text, is_hint in texts(path):
        where = f"{path.relative_to(TOP)}:{line}"
        found = QUOTED.findall(text)
        rest = QUOTED.sub("", text)
        if is_hint or text.startswith("envforge "):
            found += ANYWHERE.findall(rest)
        found += [one.strip() for one in re.findall(r"^ +(envforge [a-z].*)$", rest, re.MULTILINE)]
        yield from ((where, " ".join(one.split("\n"))) for one in found)


def commands_in_document(path: Path) -> Iterator[tuple[str, str]]:
    text = path.read_text()
    blocks = BLOCK.findall(text)
    found = [one for block in blocks for one in TYPED.findall(block)] + QUOTED.findall(BLOCK.sub("", text))
    yield from ((str(path.relative_to(TOP)), " ".join(one.split("\n"))) for one in found)


@pytest.mark.parametrize("kind", ["code", "documents"])
def test_every_command_that_is_named_exists(kind):
    if kind == "code":
        named = [one for path in SOURCES for one in commands_in_code(path)]
    else:
        named = [one for path in DOCUMENTS for one in commands_in_document(path)]
    assert len(named) > 15
    wrong = [f"{where}: `{line}`: {said}" for where, line in named if (said := complaint(line))]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    "line",
    [
        "envforge compost",
        "envforge gc --eat",
        "envforge build --no",
        "envforge store eat",
        "envforge run -Q x",
    ],
)
def test_the_check_finds_what_does_not_exist(line):
    assert complaint(line)


@pytest.mark.parametrize(
    "line",
    [
        "envforge",
        "envforge --store DIR build --rebuild",
        "envforge run -it -- ls -Q",
        "envforge store destroy --yes",
        "envforge add 'nodejs=18.*'",
        "envforge COMMAND",
    ],
)
def test_the_check_passes_what_does(line):
    assert not complaint(line)
