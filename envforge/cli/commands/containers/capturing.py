"""`capture`: what was done in a container, as lines of a spec."""

from typing import TYPE_CHECKING, Any

import click

from envforge.cli import completions
from envforge.cli.command import Command, allow_option, instance_option, json_option
from envforge.cli.output import print_json
from envforge.cli.settings import Settings, pass_settings
from envforge.errors import UsageError
from envforge.units import printable

if TYPE_CHECKING:
    from envforge.api.files.capturing import Proposal
    from envforge.api.projects import Project

_SHOWN = 5


@click.command(
    cls=Command,
    examples="""
        envforge capture web
        envforge capture --write web
        envforge capture --json web
    """,
)
@click.option("--write", is_flag=True, help="Write it: files below captured/, lines into the spec; and lock.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--no-lock", is_flag=True, help="Edit the spec only; the next command locks.")
@instance_option
@allow_option
@json_option
@click.argument("name", metavar="NAME|ID|SERVICE", shell_complete=completions.containers)
@pass_settings
def capture(
    settings: Settings,
    write: bool,  # noqa: FBT001 (click passes options)
    yes: bool,  # noqa: FBT001 (likewise)
    no_lock: bool,  # noqa: FBT001 (likewise)
    name: str,
) -> None:
    """Propose lines of a spec for what was installed and edited in a container.

    Packages that somebody installed there by apt or dpkg, without those that came in with them; text files
    that were added or edited and belong to no new package; a service of its own command, if it publishes
    ports or is restarted. What cannot be carried over is named: what was deleted, links, state, accounts,
    what is large or no text, services of systemd. With --write nothing that is there is overwritten.
    """
    from envforge.api.files import capturing  # noqa: PLC0415 (help needs none of it)

    proposal = capturing.capture(settings.container(name))
    if not write:
        _show(settings, proposal)
        return
    project = _project(settings, proposal)
    if not yes and settings.may_ask:
        _show(settings, capturing.without_known(proposal, project))
        if not click.confirm(f"write this to {project.spec_path}?", err=True):
            raise UsageError("nothing was written", hint="leave --write away to see it only")
    with settings.progress() as listener:
        result = capturing.write(proposal, project, lock=not no_lock, listener=listener)
    if settings.json:
        print_json(_as_json(proposal))
    elif not settings.quiet:
        click.echo(f"wrote {result.project.spec_path}")


def _project(settings: Settings, proposal: "Proposal") -> "Project":
    """Return the container's own project, in its environment; one that --file names goes before it."""
    from envforge.api import projects  # noqa: PLC0415 (help needs none of it)

    spec = settings.file or proposal.spec or None
    return projects.open(spec, settings.store, settings.cache, settings.environment or proposal.environment)


def _show(settings: Settings, proposal: "Proposal") -> None:
    if settings.json:
        print_json(_as_json(proposal))
        return
    for line in _notes(proposal):
        click.echo(f"# {printable(line)}")
    if proposal.is_empty:
        click.echo("# nothing to write into a spec")
        return
    click.echo(proposal.text(), nl=False)


def _notes(proposal: "Proposal") -> list[str]:
    """Return what is worth knowing besides the lines themselves."""
    from envforge.api.files import capturing  # noqa: PLC0415 (help needs none of it)

    notes = []
    if proposal.pulled_in:
        notes.append(f"{len(proposal.pulled_in)} packages came in with others")
    if proposal.changed:
        named = [f"{name} {old} -> {new}" for name, old, new in proposal.changed]
        notes.append(
            f"of another version: {_some(named, len(named))}; `envforge lock --upgrade` takes the newest"
        )
    if proposal.removed:
        notes.append(f"removed: {_some(proposal.removed, len(proposal.removed))}; `envforge remove PACKAGE`")
    if proposal.units:
        named_units = _some(proposal.units, len(proposal.units))
        notes.append(f"units of systemd, which nothing starts in a container: {named_units}; see [services]")
    notes += [
        f"left behind ({capturing.reason_text(one.reason)}): {_some(one.paths, one.count)}"
        for one in proposal.left
    ]
    return notes


def _some(names: "tuple[str, ...] | list[str]", count: int) -> str:
    more = f" and {count - _SHOWN} more" if count > _SHOWN else ""
    return f"{', '.join(names[:_SHOWN])}{more}"


def _as_json(proposal: "Proposal") -> dict[str, Any]:
    service = proposal.service
    return {
        "container": proposal.container,
        "spec": proposal.spec,
        "environment": proposal.environment,
        "packages": list(proposal.packages),
        "pulled_in": list(proposal.pulled_in),
        "changed": [{"name": name, "old": old, "new": new} for name, old, new in proposal.changed],
        "removed": list(proposal.removed),
        "units": list(proposal.units),
        "files": [
            {"source": file.source, "target": file.target, "mode": file.mode} for file in proposal.files
        ],
        "service": None
        if service is None
        else {"name": service.name, "command": list(service.command), "publish": list(service.publish)},
        "left": [
            {"reason": one.reason, "count": one.count, "paths": list(one.paths)} for one in proposal.left
        ],
        "text": proposal.text(),
    }
