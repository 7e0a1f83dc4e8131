"""`du`: where the store's space is."""

from typing import TYPE_CHECKING, Any

import click

from envforge.cli.command import Command, json_option
from envforge.cli.output import prefixed, print_json, print_table, short, time_text, timestamp
from envforge.cli.settings import Settings, pass_settings
from envforge.units import size_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from envforge.api.upkeep import Layer, Package, Share, Size, Tally, Usage


@click.command(
    cls=Command,
    examples="""
        envforge du                     each environment, and each folder of the store
        envforge du --generations       each generation by itself
        envforge du --layers            each layer, and who has it
        envforge du --packages          each unpacked archive
        envforge du --json
    """,
)
@click.option("--generations", is_flag=True, help="Each generation by itself.")
@click.option("--layers", is_flag=True, help="Each layer, and how many environments have it.")
@click.option("--packages", is_flag=True, help="Each unpacked package, and how many environments have it.")
@json_option
@pass_settings
def du(settings: Settings, generations: bool, layers: bool, packages: bool) -> None:  # noqa: FBT001 (click passes options)
    """Show where the store's space is.

    SIZE is what an environment has on the disk, with all of its generations, their packages and archives;
    EXCLUSIVE is what would be freed without it. Files that several have count once: the sums are what du(1)
    says.
    """
    from envforge.api import upkeep  # noqa: PLC0415 (help needs none of it)

    path = settings.store_path()
    with settings.progress() as listener:
        found = upkeep.usage(path, listener=listener)
    if layers:
        rows = upkeep.layers(path, found.marked)
        print_json([_layer_as_json(one) for one in rows]) if settings.json else _print_layers(rows)
    elif packages:
        those = upkeep.packages(path, found.marked)
        print_json([_package_as_json(one) for one in those]) if settings.json else _print_packages(those)
    elif settings.json:
        print_json(_as_json(found, upkeep.by_root(found.marked) if generations else found.environments))
    else:
        _print(found, upkeep.by_root(found.marked) if generations else found.environments, path)


def _print(found: "Usage", shares: "Sequence[Share]", path: str) -> None:
    rows = [
        (
            share.name,
            share.roots[0].cause.value,
            short(share.environment).removeprefix("sha256:"),
            time_text(share.used) if share.used else "-",
            size_text(share.size.size_bytes),
            size_text(share.shared.size_bytes),
            size_text(share.exclusive.size_bytes),
            str(share.size.inodes),
        )
        for share in sorted(shares, key=lambda share: -share.exclusive.size_bytes)
        if share.roots[0].cause != "tool"
    ]
    if rows:
        header = ("NAME", "KEPT BY", "ENVIRONMENT", "LAST USED", "SIZE", "SHARED", "EXCLUSIVE", "INODES")
        print_table(header, rows)
        click.echo()
    folders = [
        (name, str(one.count), size_text(one.size.size_bytes), str(one.size.inodes))
        for name, one in found.folders.items()
    ]
    whole = found.total
    folders.append(("total", "", size_text(whole.size_bytes), str(whole.inodes)))
    print_table(("IN THE STORE", "COUNT", "SIZE", "INODES"), folders)
    click.echo()
    click.echo(f"{path}: `envforge gc` would free {size_text(found.garbage.size_bytes)}")


def _size(size: "Size") -> dict[str, int]:
    return {"size_bytes": size.size_bytes, "inodes": size.inodes}


def _as_json(found: "Usage", shares: "Sequence[Share]") -> dict[str, Any]:
    return {
        "total": _size(found.total),
        "garbage": _size(found.garbage),
        "folders": {name: _tally(one) for name, one in found.folders.items()},
        "roots": [
            {
                "name": share.name,
                "kept_by": share.roots[0].cause.value,
                "environment": prefixed(share.environment),
                "generations": sum(root.cause == "generation" for root in share.roots),
                "last_used": timestamp(share.used) if share.used else None,
                **_size(share.size),
                "shared_bytes": share.shared.size_bytes,
                "exclusive_bytes": share.exclusive.size_bytes,
                "exclusive_inodes": share.exclusive.inodes,
            }
            for share in shares
        ],
    }


def _tally(one: "Tally") -> dict[str, int]:
    return {"count": one.count, **_size(one.size)}


def _print_layers(rows: "Sequence[Layer]") -> None:
    header = ("LAYER", "DIGEST", "ON DISK", "INODES", "ROOTS")
    print_table(
        header,
        [
            (
                one.name or "?",
                short(one.digest),
                size_text(one.size.size_bytes),
                str(one.size.inodes),
                str(one.roots),
            )
            for one in rows
        ],
    )


def _layer_as_json(one: "Layer") -> dict[str, Any]:
    return {
        "name": one.name,
        "digest": prefixed(one.digest),
        "held": one.held,
        **_size(one.size),
        "roots": one.roots,
    }


def _print_packages(rows: "Sequence[Package]") -> None:
    header = ("PACKAGE", "VERSION", "UNPACKED", "ARCHIVE", "ROOTS")
    print_table(
        header,
        [
            (
                one.name or short(one.sha256),
                one.version,
                size_text(one.size.size_bytes),
                size_text(one.archive.size_bytes),
                str(one.roots),
            )
            for one in rows
        ],
    )


def _package_as_json(one: "Package") -> dict[str, Any]:
    return {
        "name": one.name,
        "version": one.version,
        "sha256": one.sha256,
        **_size(one.size),
        "archive_bytes": one.archive.size_bytes,
        "roots": one.roots,
    }
