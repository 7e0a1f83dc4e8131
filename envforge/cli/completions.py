"""Shell completion of packages, users, environments, architectures and containers. Fails silently."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

import click
from click.shell_completion import CompletionItem

from envforge.cli.settings import Settings
from envforge.errors import EnvforgeError

if TYPE_CHECKING:
    from envforge.api.projects import Location

COMPLETE_VARIABLE: Final = "_ENVFORGE_COMPLETE"
"""The variable that a completion script sets, named as click wants it."""


def asked_packages(context: click.Context, _parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """Return the packages that the spec asks for in the environment's own tables, without their versions."""
    from envforge.api import editing  # noqa: PLC0415 (help needs none of it)

    try:
        packages = editing.own_packages(context.ensure_object(Settings).project())
    except EnvforgeError:
        return []
    return _beginning(begun, packages)


def users(context: click.Context, _parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """Return `self`, `root` and the users of the environment, once it is built."""
    from envforge.api import inspecting  # noqa: PLC0415 (help needs none of it)

    try:
        found = inspecting.users(context.ensure_object(Settings).project())
    except (EnvforgeError, OSError):
        found = ("root",)
    return _beginning(begun, ("self", *found))


def environments(context: click.Context, _parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """Return the spec's environments."""
    try:
        names = list(context.ensure_object(Settings).project().specs)
    except EnvforgeError:
        return []
    return _beginning(begun, names)


def services(context: click.Context, _parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """Return the spec's services."""
    try:
        names = list(context.ensure_object(Settings).project().spec.services)
    except EnvforgeError:
        return []
    return _beginning(begun, names)


def volumes(context: click.Context, _parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """Return the names of all volumes."""
    from envforge.api import volumes as api  # noqa: PLC0415 (help needs none of it)

    try:
        names = [one.name for one in api.all_of(context.ensure_object(Settings).store_path())]
    except (EnvforgeError, OSError):
        return []
    return _beginning(begun, names)


def generations(context: click.Context, _parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """Return the numbers of the environment's generations, the newest first, with their reasons."""
    from envforge.api import history  # noqa: PLC0415 (help needs none of it)

    try:
        found = history.generations(context.ensure_object(Settings).location())
    except (EnvforgeError, OSError):
        return []
    return [
        CompletionItem(str(one.number), help=one.reason)
        for one in reversed(found)
        if str(one.number).startswith(begun)
    ]


def targets(context: click.Context, _parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """Return what `diff` can compare: generations and environments; paths are the shell's own."""
    from envforge.api import comparing  # noqa: PLC0415 (help needs none of it)

    settings = context.ensure_object(Settings)
    if begun.startswith((".", "/", "~")):
        return [CompletionItem(begun, type="file")]
    try:
        with comparing.here(_location(settings), settings.store_path()) as place:
            found = list(comparing.words(place))
    except (EnvforgeError, OSError):
        return []
    return [CompletionItem(word, help=told) for word, told in dict(found).items() if word.startswith(begun)]


def packages(context: click.Context, _parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """Return the packages of the current environment."""
    from envforge.api import comparing  # noqa: PLC0415 (help needs none of it)

    settings = context.ensure_object(Settings)
    try:
        with comparing.here(_location(settings), settings.store_path()) as place:
            return _beginning(begun, comparing.package_names(place))
    except (EnvforgeError, OSError):
        return []


def layers(context: click.Context, _parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """Return the layers of the current environment."""
    from envforge.api import comparing  # noqa: PLC0415 (help needs none of it)

    settings = context.ensure_object(Settings)
    try:
        with comparing.here(_location(settings), settings.store_path()) as place:
            return _beginning(begun, [layer.name for layer in comparing.resolve(place, None).layers])
    except (EnvforgeError, OSError):
        return []


def _location(settings: Settings) -> "Location | None":
    try:
        return settings.location()
    except EnvforgeError:
        return None


def architectures(_context: click.Context, _parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """Return the architectures that can be locked for."""
    from envforge.api import locking  # noqa: PLC0415 (help needs none of it)

    return _beginning(begun, locking.ARCHITECTURES)


def running(context: click.Context, parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """Return the names and IDs of running sandboxes, and the names and services of containers."""
    from envforge.api import joining  # noqa: PLC0415 (as above)

    try:
        found = joining.running()
    except (EnvforgeError, OSError):
        return []
    others = containers(context, parameter, begun)
    names = _beginning(begun, (name for one in found for name in (one.name, one.id)))
    return others + [one for one in names if one.value not in {other.value for other in others}]


def containers(context: click.Context, _parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """Return the names of containers and the project's services that have one, each with how it is."""
    from envforge.api import containers as api  # noqa: PLC0415 (help needs none of it)

    settings = context.ensure_object(Settings)
    try:
        store = settings.store_path()
        found = dict([*api.services(store, spec=settings.file), *api.names(store)])
    except (EnvforgeError, OSError):
        return []
    return [CompletionItem(name, help=status) for name, status in found.items() if name.startswith(begun)]


def copied(context: click.Context, parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """Return what `cp` takes: containers, with a colon behind them, and paths, which are the shell's own."""
    if begun.startswith((".", "/", "~")) or ":" in begun:
        return [CompletionItem(begun, type="file")]
    found = [
        CompletionItem(f"{item.value}:", help=item.help) for item in containers(context, parameter, begun)
    ]
    return found or [CompletionItem(begun, type="file")]


def pins(context: click.Context, _parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """Return the names under which somebody keeps environments."""
    return _beginning(begun, _roots(context, "pin"))


def _roots(context: click.Context, cause: str) -> list[str]:
    from envforge.api import upkeep  # noqa: PLC0415 (help needs none of it)

    try:
        found = upkeep.roots(context.ensure_object(Settings).store_path())
    except (EnvforgeError, OSError):
        return []
    return [one.name for one in found if one.cause == cause]


def _beginning(begun: str, names: Iterable[str]) -> list[CompletionItem]:
    return [CompletionItem(name) for name in dict.fromkeys(names) if name.startswith(begun)]
