"""The tool tree that resolving runs in: the suite's own apt, unpacked as plain data and never configured.

    tools/apt-<key>/    the closure of apt, dpkg, debian-archive-keyring and gpgv; <key> hashes its archives

So resolving needs neither a Debian host nor privileges, and no host's apt or its settings can change a lock.
"""

import os
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from envforge import usrmerge
from envforge.digest import digest_of
from envforge.errors import IntegrityError, ResolveError
from envforge.sandbox.confined.confine import View, call_confined
from envforge.sandbox.ids.identity import detect
from envforge.sources.debian.deb.unpack import extract_plain
from envforge.sources.debian.dpkg import relations
from envforge.sources.debian.indexes.index import SuiteIndex
from envforge.sources.debian.indexes.packages import Package
from envforge.sources.debian.indexes.release import Access
from envforge.store import blobs
from envforge.store.durability import reaching_disk
from envforge.store.staging import move_out, staging

TOOLS: Final = ("apt", "dpkg", "debian-archive-keyring", "gpgv")
_FORMAT: Final = 1


def ensure(access: Access, suites: Sequence[SuiteIndex], report: Callable[[int], None] | None = None) -> str:
    """Return the root directory of the tool tree of these suites, made if the store does not have it.

    Raises ResolveError where the suites have no apt, and what fetching and unpacking raise.
    """
    chosen = closure(suites)
    key = digest_of({"format": _FORMAT, "archives": sorted(package.sha256 for _, package in chosen)})
    final = f"{access.store.path}/tools/apt-{key}"
    if os.path.isdir(final):
        return final
    with reaching_disk(access.store), staging(access.store, "tools") as directory:
        archives = access.fetcher.all_at_once(lambda item: _fetch(access, *item, report=report), chosen)
        view = View.of(readable=[f"{access.store.path}/blobs"], writable=[directory])
        hashed = [(archive, package.sha256) for archive, (_, package) in zip(archives, chosen, strict=True)]
        try:
            call_confined(detect(prefer="flat"), view, _unpack, f"{directory}/root", hashed)
        except IntegrityError:
            for _, sha256 in hashed:
                blobs.set_aside(access.store, sha256)
            raise
        _publish(directory, final)
    return final


def _unpack(root: str, archives: Sequence[tuple[str, str]]) -> None:
    """Unpack the tools' archives, given by path and SHA-256, over one another. Runs confined."""
    os.mkdir(root)
    for archive, sha256 in archives:
        extract_plain(archive, root, sha256=sha256)
    _link_merged(root)


def closure(suites: Sequence[SuiteIndex]) -> tuple[tuple[SuiteIndex, Package], ...]:
    """Return the archives of the tools and all that they depend on, sorted by name.

    Of alternatives the first one that exists is taken. Conflicts do not matter to plain data.
    Raises ResolveError.
    """
    chosen: dict[str, tuple[SuiteIndex, Package]] = {}
    waiting = [relations.parse(", ".join(TOOLS))]
    while waiting:
        for group in waiting.pop():
            if any(alternative.name in chosen for alternative in group):
                continue
            found = _first(suites, group)
            if found is None:
                names = " | ".join(alternative.name for alternative in group)
                raise ResolveError(
                    f"the suite {suites[0].source.suite} does not have {names}, which resolving needs",
                    hint="check `suite` and `pockets` in the spec: apt must be in them",
                )
            chosen[found[1].name] = found
            waiting.append(tuple(relations.groups(found[1].relations)))
    return tuple(chosen[name] for name in sorted(chosen))


def _first(suites: Sequence[SuiteIndex], group: relations.Group) -> tuple[SuiteIndex, Package] | None:
    for alternative in group:
        for suite in suites:
            for package in _named(suite, alternative.name):
                return suite, package
    return None


def _named(suite: SuiteIndex, name: str) -> Iterable[Package]:
    yield from suite.find(name)
    for file in suite.files:
        yield from file.index.providers(name)


def _fetch(
    access: Access, suite: SuiteIndex, package: Package, *, report: Callable[[int], None] | None
) -> str:
    bases = dict.fromkeys((suite.release.base, *access.mirrors.of(suite.source.archive)))
    return access.fetcher.fetch_blob(
        access.store,
        [f"{base}/{package.path}" for base in bases],
        sha256=package.sha256,
        size=package.size,
        progress=report,
    )


def _link_merged(root: str) -> None:
    """Make the links into usr/: base-files would bring them, and is not among the tools."""
    for name in usrmerge.LINKS:
        if os.path.isdir(f"{root}/usr/{name}") and not os.path.lexists(f"{root}/{name}"):
            os.symlink(f"usr/{name}", f"{root}/{name}")


def _publish(directory: str, final: str) -> None:
    try:
        move_out(directory, "/root", final)
    except OSError:
        if not os.path.isdir(final):
            raise  # else another process was quicker, with the same tree
