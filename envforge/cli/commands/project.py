"""`init`, `add`, `remove`, `lock`: the spec and its lock."""

from typing import TYPE_CHECKING

import click

from envforge.cli import completions
from envforge.cli.command import Command, allow_option, json_option
from envforge.cli.output import print_json
from envforge.cli.settings import Settings, pass_settings
from envforge.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from envforge.api.editing import EditResult
    from envforge.api.locking import Change, LockResult


@click.command(
    cls=Command,
    examples="""
        envforge init                   propose a spec for what lies in this directory
        envforge -f dev.toml init       write it under another name
    """,
)
@click.option("--force", is_flag=True, help="Overwrite a spec that is there.")
@pass_settings
def init(settings: Settings, force: bool) -> None:  # noqa: FBT001 (click passes options)
    """Write a commented envforge.toml for this directory.

    Looks at the files that lie there (package.json, pyproject.toml, Makefile, go.mod, …) and proposes the
    packages they need.
    """
    if settings.environment:
        raise UsageError(
            "init writes a whole spec, not one of its environments",
            hint=f"leave -E out, then write [environments.{settings.environment}] into the spec",
        )
    from envforge.api import editing  # noqa: PLC0415 (help needs none of it)

    path = editing.init(settings.file, replace=force)
    if not settings.quiet:
        click.echo(f"wrote {path}")
        click.echo("next: `envforge shell`, or `envforge add PACKAGE…`")


@click.command(
    cls=Command,
    examples="""
        envforge add git curl
        envforge add 'nodejs=18.*'      any version that begins so
        envforge add -E test jq         to [environments.test.debian]
        envforge add --no-lock jq       only edit the spec
    """,
)
@click.argument("packages", nargs=-1, required=True, metavar="PACKAGE…")
@click.option("--no-lock", is_flag=True, help="Edit the spec only; the next command locks.")
@allow_option
@pass_settings
def add(settings: Settings, packages: tuple[str, ...], no_lock: bool) -> None:  # noqa: FBT001 (click passes options)
    """Add packages to the spec, and lock.

    Comments in the spec stay. Where packages do not exist or do not fit together, the spec stays as it was.
    With -E they go into the tables of that environment, below [environments].
    """
    from envforge.api import editing  # noqa: PLC0415 (help needs none of it)

    project = settings.project()
    with settings.progress() as listener:
        result = editing.add(project, packages, lock=not no_lock, listener=listener)
    _show_edit(settings, result)


@click.command(
    cls=Command,
    examples="""
        envforge remove curl
        envforge remove -E test jq
    """,
)
@click.argument(
    "packages", nargs=-1, required=True, metavar="PACKAGE…", shell_complete=completions.asked_packages
)
@click.option("--no-lock", is_flag=True, help="Edit the spec only; the next command locks.")
@allow_option
@pass_settings
def remove(settings: Settings, packages: tuple[str, ...], no_lock: bool) -> None:  # noqa: FBT001 (click passes options)
    """Remove packages from the spec, and lock.

    What others need stays in the environment, and with -E what it extends.
    """
    from envforge.api import editing  # noqa: PLC0415 (help needs none of it)

    project = settings.project()
    with settings.progress() as listener:
        result = editing.remove(project, packages, lock=not no_lock, listener=listener)
    _show_edit(settings, result)


def _show_edit(settings: Settings, result: "EditResult") -> None:
    if result.locked is not None:
        _show_changes(settings, result.locked)


@click.command(
    cls=Command,
    examples="""
        envforge lock                               pin what the spec asks for, keep what is pinned
        envforge lock --upgrade                     take the newest of everything
        envforge lock --upgrade-package openssl     take the newest of one package
        envforge lock --upgrade -E db               take the newest of everything in one environment
        envforge lock --upgrade --dry-run           show what would change
        envforge lock --check                       fail where the lock does not fit the spec
        envforge lock --architecture arm64          lock for another machine too, from here
    """,
)
@click.option("--check", is_flag=True, help="Change nothing; fail where the lock is missing or stale.")
@click.option("--upgrade", is_flag=True, help="Take the newest version of every package.")
@click.option("--upgrade-package", "names", multiple=True, metavar="PACKAGE", help="Take its newest version.")
@click.option("--dry-run", is_flag=True, help="Show the changes, write nothing.")
@click.option(
    "--architecture",
    "architectures",
    multiple=True,
    metavar="NAME",
    shell_complete=completions.architectures,
    help="Lock for this machine too (amd64, arm64, …); without it for the one that this runs on.",
)
@allow_option
@json_option
@pass_settings
def lock(  # noqa: PLR0917 (click passes options)
    settings: Settings,
    check: bool,  # noqa: FBT001
    upgrade: bool,  # noqa: FBT001
    names: tuple[str, ...],
    dry_run: bool,  # noqa: FBT001
    architectures: tuple[str, ...],
) -> None:
    """Pin every input by SHA-256 in envforge.lock.

    The lock is of all environments of the spec; -E says which one is upgraded.
    """
    if check and (upgrade or names or dry_run):
        raise UsageError(
            "--check changes nothing and goes with no other option", hint="leave one of them out"
        )
    from envforge.api import locking, warm  # noqa: PLC0415 (help needs none of it)

    project = settings.project()
    with settings.progress() as listener:
        result = locking.lock(
            project,
            upgrade=upgrade,
            upgrade_packages=names,
            dry_run=dry_run,
            check=check,
            architectures=architectures,
            environment=settings.environment,
            listener=listener,
        )
    if not (result.changes or result.written or upgrade or names or dry_run or architectures):
        warm.keep_answer(project, "lock", "\n".join((*change_lines(()), "")))
    _show_changes(settings, result)


def _show_changes(settings: Settings, result: "LockResult") -> None:
    if settings.json:
        changes = [
            {"name": item.name, "old": item.old, "new": item.new}
            | ({"environment_name": item.environment} if item.environment else {})
            for item in result.changes
        ]
        print_json({"written": result.written, "changes": changes})
    elif not settings.quiet:
        click.echo("\n".join(change_lines(result.changes, first=result.first, new=result.new)))


def change_lines(
    changes: "Sequence[Change]", *, first: bool = False, new: "Collection[str]" = ()
) -> "tuple[str, ...]":
    """Return the changes as lines; for a `first` lock and `new` environments, only packages of the spec."""
    if not changes:
        return ("no changes",)
    named = [one for one in changes if one.asked or not (first or one.environment in new)]
    where: dict[str, list[str]] = {}
    for one in named:
        where.setdefault(str(one), []).append(one.environment)
    lines = [f"{text}  ({', '.join(names)})" if any(names) else text for text, names in where.items()]
    rest = len(changes) - len(named)
    return (*lines, f"{rest} more that they need, or that every system has") if rest else tuple(lines)
