"""`cp`: files and directories between a container and here."""

import sys
from typing import TYPE_CHECKING

import click

from envforge.cli import completions
from envforge.cli.command import Command, instance_option, json_option
from envforge.cli.output import print_json
from envforge.cli.settings import Settings, pass_settings
from envforge.errors import UsageError
from envforge.units import printable, size_text

if TYPE_CHECKING:
    from envforge.api.files.copying import Copied, End

_ONE_SIDE = "write NAME:PATH for one of them"


@click.command(
    cls=Command,
    examples="""
        envforge cp web:/etc/hosts .
        envforge cp settings.toml web:/srv/app/
        envforge cp web:/var/log/. logs
        envforge cp web:/srv - | tar -t
        tar -c data | envforge cp - web:/srv
    """,
)
@click.option("-a", "--archive", is_flag=True, help="Keep the numbers of owners and groups.")
@click.option("-L", "--follow-link", is_flag=True, help="Follow the link that SOURCE is.")
@click.option("-q", "silent", is_flag=True, help="Do not tell what was copied.")
@instance_option
@json_option
@click.argument("source", metavar="NAME:PATH|PATH|-", shell_complete=completions.copied)
@click.argument("target", metavar="NAME:PATH|PATH|-", shell_complete=completions.copied)
@pass_settings
def cp(  # noqa: PLR0917 (click passes options)
    settings: Settings,
    archive: bool,  # noqa: FBT001 (likewise)
    follow_link: bool,  # noqa: FBT001 (likewise)
    silent: bool,  # noqa: FBT001 (likewise)
    source: str,
    target: str,
) -> None:
    """Copy files between a container and here, whether it runs, is paused or has ended.

    As `docker cp` does: a directory is copied with all that is in it, into one that is there or to a new
    name; DIR/. means what is in it. - is a tar archive on standard output, or on standard input, where it may
    be compressed. What comes out belongs to you, what goes in to the container's root (its own user, where
    that is you); modes and times are kept, set-id bits are not. Links are copied as links. Pipes, sockets
    and devices are left out.
    """
    from envforge.api.files import copying  # noqa: PLC0415 (help needs none of it)

    ends = copying.end_of(source), copying.end_of(target)
    container = settings.container(_container_of(*ends))
    with settings.progress(live=False):
        if ends[0].container:
            _check_output(target)
            copied = copying.from_container(
                container, ends[0].path, target, follow=follow_link, owners=archive
            )
        else:
            _check_input(source)
            copied = copying.to_container(container, source, ends[1].path, follow=follow_link, owners=archive)
    _tell(settings, copied, target, silent=silent or settings.quiet)


def _container_of(source: "End", target: "End") -> str:
    if source.container and target.container:
        raise UsageError(
            "cp does not copy between two containers", hint="envforge cp ONE:PATH - | envforge cp - OTHER:DIR"
        )
    if not (source.container or target.container):
        raise UsageError("neither of the two names a container", hint=_ONE_SIDE)
    return source.container or target.container


def _check_output(target: str) -> None:
    if target == "-" and sys.stdout.isatty():
        raise UsageError("an archive would spoil the terminal", hint="write a path, or `- > FILE`")


def _check_input(source: str) -> None:
    if source == "-" and sys.stdin.isatty():
        raise UsageError("there is no archive on standard input", hint="write a path, or `- < FILE`")


def _tell(settings: Settings, copied: "Copied", target: str, *, silent: bool) -> None:
    if settings.json and target != "-":
        print_json(
            {
                "files": copied.files,
                "size_bytes": copied.size_bytes,
                "left_out": copied.left_out_count,
                "left_out_paths": list(copied.left_out),
            }
        )
        return
    if copied.left_out_count:
        named = ", ".join(printable(name) for name in copied.left_out[:3])
        more = ", …" if copied.left_out_count > len(copied.left_out[:3]) else ""
        click.echo(f"left out {copied.left_out_count} that are no files: {named}{more}", err=True)
    if not silent and target != "-":
        many = "1 file" if copied.files == 1 else f"{copied.files} files"
        click.echo(f"copied {many} ({size_text(copied.size_bytes)}) to {printable(target)}", err=True)
