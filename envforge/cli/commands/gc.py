"""`gc`: frees what nothing keeps."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from envforge.cli.command import Command, json_option
from envforge.cli.output import print_json, print_table
from envforge.cli.settings import Settings, pass_settings
from envforge.errors import UsageError
from envforge.units import bytes_of, seconds_of, size_text

if TYPE_CHECKING:
    from envforge.api.upkeep import Collected, Decision, Policy, Restored

T = TypeVar("T")


def _read_by(reader: Callable[[str], T]) -> Callable[[click.Context, click.Parameter, str | None], T | None]:
    def read(_context: click.Context, _parameter: click.Parameter, text: str | None) -> T | None:
        try:
            return None if text is None else reader(text)
        except ValueError as error:
            raise click.BadParameter(str(error)) from error

    return read


@click.command(
    cls=Command,
    examples="""
        envforge gc --dry-run           what would go, and what keeps the rest
        envforge gc                     what no generation needs; `envforge gc --undo` for six hours
        envforge gc --keep 2            all but the two newest generations of each environment, too
        envforge gc --unused-for 14d    generations that nobody has entered for two weeks, too
        envforge gc --max-size 20GB     the least recently used, until the store is no larger
        envforge gc --gone              projects whose spec does not exist any more, too
        envforge gc --drop shop@3       this generation, too
    """,
)
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
@click.option("--undo", is_flag=True, help="Bring back what the last collection took.")
@click.option(
    "--keep", type=click.IntRange(min=1), metavar="N", help="Drop all but the newest N generations."
)
@click.option(
    "--unused-for",
    metavar="TIME",
    callback=_read_by(seconds_of),
    help="Drop generations, and indexes, that were not used for so long: 12h, 14d, 2w.",
)
@click.option(
    "--max-size",
    metavar="SIZE",
    callback=_read_by(bytes_of),
    help="Drop the least recently used until the store is no larger; delete at once.",
)
@click.option(
    "--min-free",
    metavar="SIZE",
    callback=_read_by(bytes_of),
    help="Likewise, until so much is free on its file system.",
)
@click.option("--drop", multiple=True, metavar="NAME@N", help="Drop this generation; can be given again.")
@click.option("--gone", is_flag=True, help="Drop projects whose spec does not exist any more.")
@click.option("--now", is_flag=True, help="Delete at once, the trash too; nothing can be undone.")
@json_option
@pass_settings
def gc(settings: Settings, /, dry_run: bool, undo: bool, now: bool, **options: Any) -> None:  # noqa: FBT001 (click passes options)
    """Free what nothing keeps.

    The current generation of a project stays, as long as its spec exists; so does what `envforge root add`
    names, what a build needs that runs, and whatever somebody is inside of. What goes lies in the trash for
    six hours, where `envforge gc --undo` finds it, unless space is asked for.
    """
    if undo:
        if dry_run or now or any(options.values()):
            raise UsageError("--undo stands alone", hint="envforge gc --undo")
        _undo(settings)
        return
    from envforge.api import upkeep  # noqa: PLC0415 (help needs none of it)

    path = settings.store_path()
    policy = _policy(options, upkeep.named(path, options["drop"]) if options["drop"] else frozenset())
    with settings.progress() as listener:
        if dry_run:
            decision = upkeep.preview(path, policy, listener=listener)
        else:
            collected = upkeep.collect(path, policy, at_once=now, listener=listener)
    if dry_run:
        _show_plan(settings, decision)
    elif settings.json:
        print_json(_as_json(collected))
    elif not settings.quiet:
        _tell(collected)


def _policy(options: dict[str, Any], dropped: "frozenset[tuple[str, str, int]]") -> "Policy":
    from envforge.api.upkeep import Policy  # noqa: PLC0415 (as above)

    return Policy(
        keep=options["keep"],
        unused_for_s=options["unused_for"],
        gone=options["gone"],
        drop=dropped,
        max_size_bytes=options["max_size"],
        min_free_bytes=options["min_free"],
    )


def _undo(settings: Settings) -> None:
    from envforge.api import upkeep  # noqa: PLC0415 (as above)

    restored: Restored = upkeep.undo(settings.store_path())
    if settings.json:
        print_json({"things": restored.things, "generations": restored.generations})
    elif not settings.quiet:
        click.echo(f"brought back {restored.things} things and {restored.generations} generations")


def _show_plan(settings: Settings, decision: "Decision") -> None:
    if settings.json:
        print_json(_plan_as_json(decision))
        return
    plan = decision.plan
    rows = [
        (root.name, "dropped", size_text(size.size_bytes))
        for root, size in zip(plan.dropped, plan.by_root, strict=True)
    ]
    rows += [(root.name, f"kept: {root.cause.value}", "") for root in plan.kept if root.cause != "tool"]
    if rows:
        print_table(("ROOT", "", "FREES"), rows)
        click.echo()
    kinds = [
        (kind.value, str(one.count), size_text(one.size.size_bytes), str(one.size.inodes))
        for kind, one in plan.by_kind.items()
    ]
    if kinds:
        print_table(("GARBAGE", "COUNT", "SIZE", "INODES"), kinds)
        click.echo()
    _name_the_gone(decision)
    size = size_text(plan.size.size_bytes)
    click.echo(f"would free {size}" if kinds else "nothing would go")


def _name_the_gone(decision: "Decision") -> None:
    for root in decision.plan.gone:
        click.echo(
            f"{root.name}: {root.spec} does not exist any more; `envforge gc --gone` drops it", err=True
        )


def _tell(collected: "Collected") -> None:
    _name_the_gone(collected.decision)
    size, emptied = size_text(collected.moved.size_bytes), size_text(collected.emptied.size_bytes)
    if not collected.is_kept:
        click.echo(f"freed {emptied}")
    elif collected.moved.inodes or collected.generations:
        click.echo(f"moved {size} to the trash; `envforge gc --undo` brings it back within six hours")
    else:
        click.echo("nothing to free")


def _as_json(collected: "Collected") -> dict[str, Any]:
    layers = sum(one.kind == "layers" for one in collected.decision.plan.marked.things)
    return {
        "freed_bytes": collected.emptied.size_bytes,
        "trashed_bytes": collected.moved.size_bytes if collected.is_kept else 0,
        "freed_layers": collected.layers,
        "kept_layers": layers - collected.layers,
        "dropped_generations": collected.generations,
        "gone": _gone(collected.decision),
    }


def _plan_as_json(decision: "Decision") -> dict[str, Any]:
    plan = decision.plan
    return {
        "frees_bytes": plan.size.size_bytes,
        "frees_inodes": plan.size.inodes,
        "trash_bytes": decision.trash.size_bytes,
        "kinds": {
            kind.value: {"count": one.count, "size_bytes": one.size.size_bytes, "inodes": one.size.inodes}
            for kind, one in plan.by_kind.items()
        },
        "dropped": [
            {"name": root.name, "kind": root.cause.value, "frees_bytes": size.size_bytes}
            for root, size in zip(plan.dropped, plan.by_root, strict=True)
        ],
        "kept": [{"name": root.name, "kind": root.cause.value} for root in plan.kept],
        "gone": _gone(decision),
    }


def _gone(decision: "Decision") -> list[dict[str, str]]:
    return [{"name": root.name, "spec": root.spec} for root in decision.plan.gone]
