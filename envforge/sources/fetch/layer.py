"""Jobs of confined workers: survey the layers below, make the layer of one fetched file or archive."""

import os
from collections.abc import Sequence
from typing import Any, Final

from envforge.build.built import Built
from envforge.build.parents import owners_of, shown_of
from envforge.build.site import Site
from envforge.build.workers import Report
from envforge.errors import EnvforgeError
from envforge.sources.fetch.below import place_of, shape
from envforge.sources.fetch.model import Fetched
from envforge.sources.fetch.unpack import unpack
from envforge.sources.fetch.writer import Writer
from envforge.store import blobs, layers
from envforge.store.listing import DIRECTORY_MTIME
from envforge.store.scan import scan

_CHUNK: Final = 1 << 20


def survey(
    _report: Report, _place: str, site: Site, fetched: Sequence[Fetched], below: Sequence[Built]
) -> list[tuple[str, str]]:
    """Return for each its target's real path, in hex, and the SHA-256 of what its layer depends on below."""
    shown = shown_of(site, below)
    found = []
    for one in fetched:
        place = place_of(shown, one.target)
        found.append((place.hex(), shape(shown, place, unpack=one.unpack)))
    return found


def stage(_report: Report, place: str, site: Site, one: Fetched, below: Sequence[Built]) -> dict[str, Any]:
    """Stage the layer at `place/layer`. Raises IntegrityError, ArchiveError, BuildError."""
    root = f"{place}/layer/root"
    os.makedirs(root, 0o755)
    os.chmod(root, 0o755)  # noqa: S103 - a root directory is for all to read
    shown = shown_of(site, below)
    chown = site.held != "flat"
    target = place_of(shown, one.target)
    writer = Writer(root, shown, target, chown=chown)
    try:
        with blobs.opened(site.store, one.pin.sha256) as descriptor:
            if one.unpack:
                writer.directory(b"")
                unpack(descriptor, writer, one.strip)
            else:
                _write(writer, target, descriptor, one.mode)
    except EnvforgeError as error:
        raise type(error)(f"{one.url}: {error.message}", hint=error.hint) from error
    writer.finish()
    owners = None if chown else owners_of(shown)
    return layers.stage(f"{place}/layer", scan(root, owners))


def _write(writer: Writer, target: bytes, descriptor: int, mode: int) -> None:
    with open(descriptor, "rb", closefd=False) as file:
        writer.file(target, iter(lambda: file.read(_CHUNK), b""), mode, DIRECTORY_MTIME)
