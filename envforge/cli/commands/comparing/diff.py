"""`diff`: what differs between two environments, containers, locks or directories."""

import gc
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from envforge.cli import completions
from envforge.cli.command import Command, json_option
from envforge.cli.output import coloured, paint, print_json
from envforge.cli.settings import Settings, pass_settings
from envforge.errors import SpecError, UsageError

if TYPE_CHECKING:
    from envforge.api.comparing import Comparison, Here, Level

_LEVELS = ("package", "file", "content")


@contextmanager
def here(settings: Settings) -> "Iterator[Here]":
    """Yield where words are resolved; outside of a project only those that need none mean something."""
    from envforge.api import comparing  # noqa: PLC0415 (help needs none of it)

    try:
        location = settings.location()
    except SpecError:
        if settings.file is not None:
            raise
        location = None
    store = location.store_path if location is not None else settings.store_path()
    with comparing.here(location, store) as place:
        yield place


@click.command(
    cls=Command,
    examples="""
        envforge diff                     what the last build changed
        envforge diff 3 --level file      generation 3 and the current one, file by file
        envforge diff @-2 @ --level content
        envforge diff default test        two environments of this project
        envforge diff shop ../other       another project by its name, one by its directory
        envforge diff HEAD~3              the lock of an earlier commit
        envforge diff 5b55bf ./tree       an environment by its digest, any directory
        envforge diff web-1               what was changed in a container
        envforge diff --html diff.html --level content
    """,
)
@click.argument("a", required=False, shell_complete=completions.targets)
@click.argument("b", required=False, shell_complete=completions.targets)
@click.option(
    "--level",
    type=click.Choice(_LEVELS),
    help="How deep: packages (default), files too, or contents too (default for a container alone).",
)
@click.option("--stat", is_flag=True, help="Only count the files that differ, by package.")
@click.option(
    "--all", "every", is_flag=True, help="Show each file, and contents, of packages that are new or gone."
)
@click.option("--times", is_flag=True, help="Also files of which nothing but the time differs.")
@click.option("--html", "html", type=click.Path(), metavar="FILE", help="Write it as one HTML file.")
@click.option("--exit-code", is_flag=True, help="Exit with 1 if anything differs, as git does.")
@json_option
@pass_settings
def diff(
    settings: Settings,
    /,
    a: str | None,
    b: str | None,
    level: "Level | None",
    html: str | None,
    **flags: Any,
) -> int:
    """Show what differs between two environments, A and B.

    Without B it is the current environment, without both the generation before that and it. Each may be a
    generation (3, @3, @-1, @), an environment by its name or digest, a container, a sandbox that runs, a
    project's directory, a lock, a revision of Git, or any directory with a system in it. A container alone is
    compared with its own environment, down to the contents.
    """
    from envforge.api import comparing  # noqa: PLC0415 (help needs none of it)

    gc.disable()  # tens of thousands of small values, in a process that ends soon: a third of its time
    if flags["stat"] and level is None:
        level = "file"
    if flags["stat"] and level == "package":
        raise UsageError("--stat counts files", hint="envforge diff --stat --level file")
    with here(settings) as place:
        found = comparing.compare(place, a, b, level, times=flags["times"], every=flags["every"])
    if html is not None:
        comparing.save_html(found, html)
    if settings.json:
        print_json(comparing.plain.comparison(found), indent=2 if found.level == "package" else None)
    elif html is None:
        _print(comparing.stat(found) if flags["stat"] else comparing.lines(found, every=flags["every"]))
    elif not settings.quiet:
        click.echo(f"{comparing.summary(found)}; see {html}")
    return _code(found, asked=flags["exit_code"])


def _code(found: "Comparison", *, asked: bool) -> int:
    return 1 if asked and found.differs else 0


def _print(lines: Iterable[tuple[str, str]]) -> None:
    """Print all lines at once: one by one, tens of thousands of them take longer than comparing."""
    painted = coloured(sys.stdout)
    click.echo(
        "\n".join(paint(text, colour, sys.stdout) if painted and colour else text for text, colour in lines)
    )
