"""What comparing finds as plain values for JSON. Names that are no UTF-8 have surrogates, as everywhere."""

import os
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from envforge.compare.model import KINDS, Comparison, Content, Fields, FileChange, PackageChange
from envforge.compare.sides import LayerName, Side
from envforge.sources.interface import Package

if TYPE_CHECKING:
    from envforge.compare.owning import Owned
    from envforge.compare.rebuilt import Rebuilt
    from envforge.compare.why import Why


def comparison(found: Comparison) -> dict[str, Any]:
    """Return a comparison. Parts that the level does not ask for, or that are not known, are null."""
    return {
        "a": _side(found.a),
        "b": _side(found.b),
        "level": found.level,
        "differs": found.differs,
        "packages": _by_kind(found.packages, _package_change),
        "runtime": [{"key": one.key, "old": one.old, "new": one.new} for one in found.runtime],
        "layers": {
            "shared": [_layer(one) for one in found.shared],
            "added": [_layer(one) for one in found.layers_added],
            "removed": [_layer(one) for one in found.layers_removed],
        },
        "files": _by_kind(found.files, _file_change),
        "only_times": found.only_times,
        "contents": None if found.contents is None else [_content(one) for one in found.contents],
        "contents_left_out": found.contents_left_out,
        "size_bytes_delta": found.size_bytes_delta,
        "notes": list(found.notes),
    }


def _by_kind(changes: Sequence[Any] | None, shown: Any) -> dict[str, list[Any]] | None:
    if changes is None:
        return None
    return {kind: [shown(one) for one in changes if one.kind == kind] for kind in KINDS}


def _side(side: Side) -> dict[str, Any]:
    return {"title": side.title, "environment": _digest(side.environment)}


def _digest(digest: str) -> str | None:
    return f"sha256:{digest}" if digest else None


def _layer(layer: LayerName) -> dict[str, Any]:
    return {"name": layer.name, "key": layer.key or None, "digest": _digest(layer.digest)}


def _package_change(change: PackageChange) -> dict[str, Any]:
    package = change.package
    about = {"name": package.name, "source": package.source, "architecture": package.architecture}
    if change.old is None or change.new is None:
        return {**about, "version": package.version, "asked": package.asked, "size_bytes": package.size}
    return {
        **about,
        "old": change.old.version,
        "new": change.new.version,
        "asked": change.new.asked,
        "was_asked": change.old.asked,
        "size_bytes_delta": change.size_delta,
    }


def _file_change(change: FileChange) -> dict[str, Any]:
    return {
        "path": os.fsdecode(change.path),
        "package": change.package or None,
        "source": change.source or None,
        "layer": change.layer or None,
        "causes": list(change.causes),
        "old": _entry(change.old_line),
        "new": _entry(change.new_line),
    }


def _entry(line: bytes | None) -> dict[str, Any] | None:
    if line is None:
        return None
    from envforge.store import listing  # noqa: PLC0415 - packages alone need none

    fields = Fields.of(line)
    content = None if fields.content == "-" else os.fsdecode(listing.unescape(fields.content.encode()))
    return {
        "type": "d" if fields.type == "o" else fields.type,
        "mode": fields.mode,
        "uid": int(fields.uid),
        "gid": int(fields.gid),
        "mtime": int(fields.mtime),
        "size_bytes": int(fields.size) if fields.size.isdigit() else None,
        "target" if fields.type == "l" else "sha256": content,
    }


def _content(content: Content) -> dict[str, Any]:
    return {
        "path": os.fsdecode(content.path),
        "form": content.form,
        "lines": list(content.lines),
        "cut": content.cut,
    }


def why(found: "Sequence[Why]", chains_max: int | None) -> list[dict[str, Any]]:
    """Return the reasons for packages of one name."""
    return [
        {
            "name": one.package.name,
            "version": one.package.version,
            "source": one.package.source,
            "asked": one.asked,
            "base": one.base,
            "chains": _chains(one.chains[:chains_max]),
            "base_chains": _chains(one.base_chains[:chains_max]),
        }
        for one in found
    ]


def _chains(chains: Iterable[Sequence[Package]]) -> list[list[dict[str, str]]]:
    return [[{"name": one.name, "version": one.version} for one in chain] for chain in chains]


def rebuilt(found: "Iterable[Rebuilt]") -> list[dict[str, Any]]:
    """Return what became of layers."""
    return [
        {
            "layer": one.layer,
            "same": one.same,
            "old": _layer(one.old) if one.old else None,
            "new": _layer(one.new) if one.new else None,
            "field": one.field or None,
            "reason": one.reason,
        }
        for one in found
    ]


def owned(found: "Owned") -> dict[str, Any]:
    """Return where a path comes from."""
    return {
        "path": os.fsdecode(found.path),
        "real": os.fsdecode(found.real),
        "layer": found.layer,
        "source": found.source,
        "packages": [{"name": one.name, "version": one.version} for one in found.packages],
        "covers": list(found.covered),
        "entry": _entry(found.line),
    }
