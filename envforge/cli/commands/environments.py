"""`ls` and `show`: list the store's environments, and describe one."""

import os
import sys
from typing import TYPE_CHECKING, Any

import click

from envforge.cli.command import Command, json_option
from envforge.cli.output import (
    layer_as_json,
    paint,
    prefixed,
    print_json,
    print_table,
    short,
    time_text,
    timestamp,
)
from envforge.cli.settings import Settings, pass_settings
from envforge.units import size_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from envforge.api.environments import EnvironmentInfo
    from envforge.api.inspecting import EnvironmentDetails


@click.command(
    cls=Command,
    examples="""
        envforge ls
        envforge ls --json
    """,
)
@json_option
@pass_settings
def ls(settings: Settings) -> None:
    """List the environments in the store."""
    from envforge.api import environments  # noqa: PLC0415 (help needs none of it)

    found = environments.environments(settings.store_path())
    if settings.json:
        print_json([_info_as_json(info) for info in found])
    elif found:
        rows = [
            (
                info.name,
                short(info.environment).removeprefix("sha256:"),
                time_text(info.last_used),
                size_text(info.size_bytes),
                size_text(info.unique_bytes),
                _project_of(info.spec),
            )
            for info in found
        ]
        print_table(("NAME", "ENVIRONMENT", "LAST USED", "SIZE", "ITS OWN", "PROJECT"), rows)
    elif not settings.quiet:
        click.echo("no environments yet: `envforge build` makes one", err=True)


def _project_of(spec: str) -> str:
    """Return a spec's path shortened for people: `~` for the home, its directory for the usual name."""
    from envforge.api.locating import SPEC_NAME  # noqa: PLC0415 (help needs none of it)

    home = os.path.expanduser("~")
    path = spec.removesuffix(f"/{SPEC_NAME}")
    return f"~{path[len(home) :]}" if f"{path}/".startswith(f"{home}/") else path


def _info_as_json(info: "EnvironmentInfo") -> dict[str, Any]:
    return {
        "name": info.name,
        "environment": prefixed(info.environment),
        "created": timestamp(info.created),
        "last_used": timestamp(info.last_used),
        "size_bytes": info.size_bytes,
        "unique_bytes": info.unique_bytes,
        "generation": info.generation,
        "spec": info.spec,
    }


@click.command(
    cls=Command,
    examples="""
        envforge show                   the spec's own environment, and which others it has
        envforge show -E db             another one
        envforge show --json | jq '.packages[] | select(.asked) | .name'
    """,
)
@json_option
@pass_settings
def show(settings: Settings) -> None:
    """Show this project's environment.

    Says whether its lock fits, of which layers it is made, what was asked for, and which other environments
    the spec has.
    """
    from envforge.api import inspecting  # noqa: PLC0415 (help needs none of it)

    details = inspecting.describe(settings.project())
    if settings.json:
        print_json(_details_as_json(details))
    else:
        for name, value in _details_lines(details):
            click.echo(f"{paint(f'{name:<12}', 'bold', sys.stdout)} {value}".rstrip())


def _lock_state(details: "EnvironmentDetails") -> str:
    if not details.locked:
        return "missing"
    return "stale" if details.stale else "current"


def _details_as_json(details: "EnvironmentDetails") -> dict[str, Any]:
    return {
        "name": details.name,
        "environment_name": details.environment_name,
        "description": details.description,
        "spec": details.spec,
        "store": details.store,
        "suite": details.suite,
        "architecture": details.architecture,
        "lock": _lock_state(details),
        "stale": list(details.stale),
        "environment": prefixed(details.environment),
        "layers": [layer_as_json(layer) for layer in details.layers],
        "packages": [
            {
                "name": package.name,
                "version": package.version,
                "architecture": package.architecture,
                "asked": package.asked,
                "size_bytes": package.size,
                "sha256": package.sha256,
            }
            for package in details.packages
        ],
        "environments": [
            {"name": one.name, "lock": one.lock, "environment": prefixed(one.environment)}
            for one in details.environments
        ],
    }


def _details_lines(details: "EnvironmentDetails") -> "Iterator[tuple[str, str]]":
    yield "name", details.name
    if details.description:
        yield "description", details.description
    yield "spec", details.spec
    yield "store", details.store
    yield "suite", f"{details.suite} ({details.architecture})"
    state = _lock_state(details)
    yield "lock", f"{state}: {', '.join(details.stale)}" if details.stale else state
    yield "environment", prefixed(details.environment) or "not built"
    for index, layer in enumerate(details.layers):
        size = size_text(layer.size_bytes)
        yield "" if index else "layers", f"{layer.name:<9} {short(layer.digest)}  {layer.files} files, {size}"
    asked = [f"{package.name} {package.version}" for package in details.packages if package.asked]
    for index, text in enumerate(asked):
        yield "" if index else "asked for", text
    if details.packages:
        fetched = size_text(sum(package.size for package in details.packages))
        is_own = details.environment_name == details.environments[0].name
        tree = "tree" if is_own else f"tree -E {details.environment_name}"
        yield "packages", f"{len(details.packages)} in all, {fetched} to fetch; `envforge {tree}` shows them"
    yield from _environment_lines(details)


def _environment_lines(details: "EnvironmentDetails") -> "Iterator[tuple[str, str]]":
    """Yield the spec's environments where it has several, the shown one marked."""
    if len(details.environments) == 1:
        return
    width = max(len(one.name) for one in details.environments)
    for index, one in enumerate(details.environments):
        mark = "*" if one.name == details.environment_name else " "
        lock = "" if one.lock == "current" else f", lock {one.lock}"
        built = short(one.environment) or "not built"
        yield "" if index else "environments", f"{mark} {one.name:<{width}}  {built}{lock}"
