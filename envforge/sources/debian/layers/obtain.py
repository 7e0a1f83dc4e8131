"""Obtains one package: fetches its .deb, checks it and unpacks it into a tree that all projects share."""

import glob
import os
from functools import cache
from typing import Final

from envforge import whole_file
from envforge.archives import xz
from envforge.build.workers import Report
from envforge.config import Config
from envforge.errors import IntegrityError, StoreError
from envforge.kernel.tree import Tree
from envforge.progress.events import Bytes, to_json
from envforge.sources.debian.deb.unpack import unpack
from envforge.sources.debian.dpkg import facts as facts_of_archive
from envforge.sources.debian.dpkg import policy
from envforge.sources.debian.dpkg.facts import Facts
from envforge.sources.debian.indexes import mirrors
from envforge.sources.debian.model import LockedArchive, LockedPackage
from envforge.store import blobs, durability
from envforge.store.layout import Store
from envforge.store.scan import scan
from envforge.store.staging import move_out, staging

_FACTS_MAX_BYTES: Final = 256 << 20
_tried: Final[set[str]] = set()
"""Paths of the liblzmas that this process has tried."""
_fetcher: Final = cache(mirrors.open_fetcher)
"""Gives this worker process's connections, which are kept between its jobs."""


def known_facts(store: Store, held: str, package: LockedPackage) -> Facts | None:
    """Return the facts of a package whose tree is in the store, None if it must be obtained.

    A package that dpkg itself unpacks needs its archive in the store, too.
    """
    if not os.path.isdir(store.tree(held, package.sha256) + "/root"):
        return None
    try:
        with open(store.facts(package.sha256), "rb") as file:
            facts = facts_of_archive.from_json(file.read())
        policy.check_same(facts, package)
    except (FileNotFoundError, StoreError, IntegrityError):
        return None
    return facts if not facts.diverts or blobs.has(store, package.sha256) else None


def fetch(  # noqa: PLR0917 - a job takes its arguments by their places
    report: Report,
    _place: str,
    store: Store,
    config: Config,
    archive: LockedArchive,
    package: LockedPackage,
    name: str,
) -> None:
    """Fetch a package's archive into the store's blobs; report its bytes under `name`.

    Raises NetworkError, IntegrityError.
    """
    urls = mirrors.urls(mirrors.discover(config), archive, package.path)

    def came(count: int) -> None:
        report(to_json(Bytes(count, name)))

    _fetcher(config).fetch_blob(store, urls, sha256=package.sha256, size=package.size, progress=came)


def unpack_tree(_report: Report, place: str, store: Store, held: str, package: LockedPackage) -> bool:
    """Unpack a fetched archive into `place/tree`, its facts into `place/facts`.

    Return whether the store already has the same tree: that one stays, as layers link its files. Raises
    ArchiveError, IntegrityError.
    """
    _choose_decoder(store)
    target = f"{place}/tree"
    os.mkdir(target, 0o755)
    facts = unpack(store.blob(package.sha256), target, held, sha256=package.sha256)
    policy.check_same(facts, package)
    with open(f"{place}/facts", "wb") as file:
        file.write(facts_of_archive.to_json(facts))
    return _is_same_tree(store.tree(held, package.sha256), target)


def _is_same_tree(old: str, new: str) -> bool:
    if not os.path.isdir(f"{old}/root"):
        return False
    with open(f"{old}/listing", "rb") as first, open(f"{new}/listing", "rb") as second:
        same = first.read() == second.read()
    return same and all(
        {entry.path: entry for entry in scan(f"{old}/{part}")}
        == {entry.path: entry for entry in scan(f"{new}/{part}")}
        for part in ("control", "root")
    )


def publish(
    store: Store, held: str, package: LockedPackage, directory: str, inside: str, *, same: bool
) -> Facts:
    """Publish the tree and the facts that `unpack_tree` left at `inside` of a worker's directory.

    Return the facts. The worker is not trusted: raises IntegrityError if they are not of the locked package.
    """
    with Tree(directory) as tree:
        data = tree.read(f"{inside}/facts", limit=_FACTS_MAX_BYTES, follow=False)
    facts = facts_of_archive.from_json(data)
    policy.check_same(facts, package)
    with staging(store, "facts") as temporary:
        place = f"{temporary}/facts"
        whole_file.write(store.facts(package.sha256), data, mode=0o644, temporary=place, durable=False)
    final = store.tree(held, package.sha256)
    os.makedirs(os.path.dirname(final), exist_ok=True)
    if not same or not os.path.lexists(final):
        if os.path.lexists(final):
            os.rename(final, store.new_trash())  # not what its archive unpacks to: it was altered
        move_out(directory, f"{inside}/tree", final)
    return facts


def write_out(_report: Report, _place: str, store: Store) -> None:
    """Have unpacked trees written to disk now, so that the sync at the end is short."""
    durability.write_out(store)


def _choose_decoder(store: Store) -> None:
    """Decode with the newest liblzma among the store's tools, if it is newer than the one in use."""
    for tool in ("liblzma-*", "apt-*"):
        path = xz.fast_library(sorted(glob.glob(f"{glob.escape(store.path)}/tools/{tool}"), reverse=True))
        if path is not None and path not in _tried:
            _tried.add(path)
            xz.use_library(path)


def has_blob(store: Store, package: LockedPackage) -> bool:
    """Return whether the archive has been fetched."""
    return blobs.has(store, package.sha256)
