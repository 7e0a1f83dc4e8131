"""`allow`: consent to what a spec wants beyond its directory, and trust in directories that hold specs."""

from typing import TYPE_CHECKING, Any

import click

from envforge.cli.command import Command, json_option
from envforge.cli.output import print_json
from envforge.cli.settings import Settings, pass_settings
from envforge.errors import ConsentError, UsageError

if TYPE_CHECKING:
    from envforge.api.consent import Allowed
    from envforge.api.projects import Project


@click.command(
    cls=Command,
    examples="""
        envforge allow                  show what the spec wants of this machine, and ask
        envforge allow --yes            allow it without asking
        envforge allow --json           show it with the hash for ENVFORGE_ALLOW
        envforge allow --list           what is allowed, by project
        envforge allow --revoke         allow this project nothing any more
        envforge allow --trust DIR      believe the spec in DIR, whoever can write there
    """,
)
@click.option("--yes", is_flag=True, help="Allow it without asking.")
@click.option("--list", "listing", is_flag=True, help="Show what is allowed, of all projects.")
@click.option("--revoke", is_flag=True, help="Forget what this project was allowed.")
@click.option("--trust", metavar="DIR", help="Believe the spec that lies in DIR, whoever owns it.")
@click.option("--distrust", metavar="DIR", help="Believe it no more.")
@json_option
@pass_settings
def allow(  # noqa: PLR0917 (click passes them by name)
    settings: Settings,
    yes: bool,  # noqa: FBT001 (click passes options)
    listing: bool,  # noqa: FBT001
    revoke: bool,  # noqa: FBT001
    trust: str | None,
    distrust: str | None,
) -> None:
    """Allow the spec what it wants beyond its directory, a private home and the network.

    Files and mounts from outside the project, your home, your variables and sockets, another user,
    privileges, and archives other than Debian's. Plain specs want nothing, and nothing is asked. What is
    allowed is remembered for exactly that: a spec that wants more asks again.
    """
    if sum(map(bool, (yes, listing, revoke, trust, distrust))) > 1:
        raise UsageError("these options exclude each other", hint="`envforge allow --help` shows examples")
    if listing:
        _list(settings)
    elif trust is not None or distrust is not None:
        _trust(settings, trust, distrust)
    elif revoke:
        _revoke(settings)
    else:
        _allow(settings, yes=yes)


def _allow(settings: Settings, *, yes: bool) -> None:
    from envforge.api import consent  # noqa: PLC0415 (help needs none of it)

    project = settings.project()
    if settings.json and not yes:
        print_json(_reach_as_json(project))
        return
    wants = consent.missing(project)
    if wants and not yes and not _ask(settings, project):
        raise _refused(project)
    if wants:
        consent.allow(project)
    if settings.json:
        print_json(_reach_as_json(project))
    elif not settings.quiet:
        click.echo("\n".join(_lines(project, "may")))


def _refused(project: "Project") -> ConsentError:
    return ConsentError(
        f"{project.spec_path} was not allowed what it wants", hint="`envforge allow --yes` allows all of it"
    )


def offer(settings: Settings) -> bool:
    """Ask for the consent that a command just lacked; return whether it is given now. `--allow` is a yes.

    Asks on a terminal only, and never in `ci` or where JSON is wanted. Raises ConsentError for a no.
    """
    from envforge.api import consent  # noqa: PLC0415 (only after a failure)

    if settings.allow:
        consent.allow(settings.project())
        return True
    if not settings.may_ask:
        return False
    project = settings.project()
    if not _ask(settings, project):
        raise _refused(project)
    consent.allow(project)
    return True


def _ask(settings: Settings, project: "Project") -> bool:
    if not settings.may_ask:
        return False
    click.echo("\n".join(_lines(project, "wants to")), err=True)
    return click.confirm("Allow this?", default=False, err=True)


def _lines(project: "Project", verb: str) -> list[str]:
    """Return the project's wants, one a line; where some are allowed, the others are marked as new."""
    from envforge.api import consent  # noqa: PLC0415

    wants = consent.wants(project)
    if not wants:
        return [f"{project.spec_path} wants nothing beyond its directory, a private home and the network"]
    missing = consent.missing(project)
    is_partly_new = 0 < len(missing) < len(wants)
    lines = [f"  {'new: ' if is_partly_new and want in missing else ''}{want}" for want in wants]
    return [f"{project.spec_path} {verb}", *lines]


def _reach_as_json(project: "Project") -> dict[str, Any]:
    from envforge.api import consent  # noqa: PLC0415

    missing = consent.missing(project)
    return {
        "spec": project.spec_path,
        "hash": project.reach.digest,
        "allowed": not missing,
        "wants": [
            {"kind": want.kind, "text": want.text, "place": want.place, "allowed": want not in missing}
            for want in consent.wants(project)
        ],
    }


def _list(settings: Settings) -> None:
    from envforge.api import consent  # noqa: PLC0415 (help needs none of it)

    allowed, trusted = consent.allowed(), consent.trusted()
    if settings.json:
        print_json({"allowed": [_allowed_as_json(one) for one in allowed], "trusted": list(trusted)})
        return
    for one in allowed:
        click.echo("\n".join([f"{one.spec} may", *(f"  {want}" for want in sorted(one.wants))]))
    for directory in trusted:
        click.echo(f"specs in {directory} are believed, whoever owns them")
    if not allowed and not trusted and not settings.quiet:
        click.echo("nothing is allowed beyond what every spec may")


def _allowed_as_json(one: "Allowed") -> dict[str, Any]:
    wants = [{"kind": want.kind, "text": want.text, "place": want.place} for want in sorted(one.wants)]
    return {"spec": one.spec, "owner": one.owner, "wants": wants}


def _trust(settings: Settings, trust: str | None, distrust: str | None) -> None:
    from envforge.api import consent  # noqa: PLC0415 (help needs none of it)

    if trust is not None:
        said = f"the spec in {consent.trust(trust)} is believed, whoever can write there"
    elif consent.distrust(distrust or ""):
        said = f"the spec in {distrust} is believed no more"
    else:
        said = f"{distrust} was not trusted"
    if not settings.quiet:
        click.echo(said)


def _revoke(settings: Settings) -> None:
    from envforge.api import consent  # noqa: PLC0415 (help needs none of it)

    project = settings.project()
    there = consent.revoke(project)
    if not settings.quiet:
        what = "is allowed nothing any more" if there else "was allowed nothing"
        click.echo(f"{project.spec_path} {what}")
