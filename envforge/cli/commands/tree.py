"""`tree`: the environment as its layers, and as its packages with what each one needs."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click

from envforge.cli.command import Command, json_option
from envforge.cli.output import layer_as_json, prefixed, print_json, short
from envforge.cli.settings import Settings, pass_settings
from envforge.units import size_text
from envforge.values import frozen

if TYPE_CHECKING:
    from envforge.api.inspecting import EnvironmentDetails, Package


@frozen
class Node:
    """A line of a tree and what hangs below it."""

    text: str
    children: tuple["Node", ...] = ()


@click.command(
    cls=Command,
    examples="""
        envforge tree
        envforge tree --depth 1         only what was asked for
        envforge tree --json
    """,
)
@click.option("--depth", type=click.IntRange(min=1), help="Show so many levels of packages.")
@json_option
@pass_settings
def tree(settings: Settings, depth: int | None) -> None:
    """Show the layers, and what each package needs.

    A package is unfolded once; (*) marks those whose needs stand further up.
    """
    from envforge.api import inspecting  # noqa: PLC0415 (help needs none of it)

    details = inspecting.describe(settings.project())
    if settings.json:
        print_json(_as_json(details))
        return
    click.echo(f"{details.name}  {short(details.environment) or 'not built'}  {details.suite}")
    layers = tuple(
        Node(f"{layer.name}  {short(layer.digest)}  {layer.files} files, {size_text(layer.size_bytes)}")
        for layer in details.layers
    )
    packages = package_nodes(details.packages, depth)
    top = [Node("layers", layers)] if layers else []
    top += [Node(f"packages ({len(details.packages)})", packages)] if packages else []
    for line in lines_of(top):
        click.echo(line)


def package_nodes(packages: Sequence["Package"], depth: int | None) -> tuple[Node, ...]:
    """Return the requested packages with their dependencies below, then the rest of the minimal system."""
    versions = {package.name: package.version for package in packages}
    needs = {package.name: package.needs for package in packages}
    seen: set[str] = set()

    def node(name: str, level: int) -> Node:
        text = f"{name} {versions[name]}"
        if name in seen:
            return Node(f"{text} (*)" if needs[name] else text)
        seen.add(name)
        deeper = depth is None or level < depth
        return Node(text, tuple(node(need, level + 1) for need in needs[name]) if deeper else ())

    asked = tuple(node(package.name, 1) for package in packages if package.asked)
    rest = tuple(Node(f"{name} {versions[name]}") for name in versions if name not in seen)
    if rest and depth is None:
        return (*asked, Node(f"minimal system ({len(rest)} more)", rest))
    return (*asked, Node(f"{len(rest)} more")) if rest else asked


def lines_of(nodes: Sequence[Node], indent: str = "") -> Iterator[str]:
    """Yield the lines of a drawn tree."""
    for index, node in enumerate(nodes):
        last = index == len(nodes) - 1
        yield f"{indent}{'└── ' if last else '├── '}{node.text}"
        yield from lines_of(node.children, f"{indent}{'    ' if last else '│   '}")


def _as_json(details: "EnvironmentDetails") -> dict[str, Any]:
    return {
        "name": details.name,
        "environment": prefixed(details.environment),
        "layers": [layer_as_json(layer) for layer in details.layers],
        "packages": [
            {
                "name": package.name,
                "version": package.version,
                "asked": package.asked,
                "needs": list(package.needs),
            }
            for package in details.packages
        ],
    }
