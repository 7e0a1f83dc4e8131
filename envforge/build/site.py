"""Build context: store, identity, configuration. And the view of each kind of confined worker."""

import os
from collections.abc import Callable, Mapping
from typing import Final

from attrs import field, frozen

from envforge.build.cache_interface import Cache
from envforge.config import Config
from envforge.sandbox.confined.confine import BUILD, FILES, View
from envforge.sandbox.ids.identity import Identity
from envforge.store.holds import Hold
from envforge.store.layout import DIRECTORIES, Store

_LINKED: Final = frozenset(("trees", "staging"))


@frozen
class ProjectFiles:
    """Where files that a spec names may be read. Projects are untrusted: any path in one may be a link."""

    directory: str
    """The spec's own: files in it are opened beneath it (RESOLVE_BENEATH)."""
    allowed: Mapping[str, str] = field(factory=dict, hash=False)
    """For sources outside, by normalised path: the real path that was allowed."""


@frozen
class Site:
    """Build context, shared by all parts of a build; a plain value, so that jobs can be sent to processes."""

    store: Store
    identity: Identity
    config: Config
    files: ProjectFiles = ProjectFiles("/")
    """Where files that the spec names are read."""
    anew: bool = False
    """Make every layer even if it is in the store, to compare."""
    project: str = ""
    """The project's name, for logs."""
    enter_failed: bool = False
    """Run a shell on the terminal if packages could not be configured."""
    hold: Hold | None = None
    """Keeps what this build finds and makes from garbage collection, until its environment is recorded."""
    cache: Cache | None = None
    """Where missing layers are looked up first, and new ones are put."""
    recorded: Mapping[str, str] | None = field(default=None, hash=False)
    """The lock's digests, by name, of the layers that depend on it alone; None if it records none."""

    def keep(self, *names: str) -> None:
        """Hold digests, SHA-256s and keys (`holds.py`). Call it before looking them up."""
        if self.hold is not None:
            self.hold.add(*names)

    @property
    def held(self) -> str:
        """Return the ownership mode of trees and layers."""
        return self.identity.held


def unpacking(store: Store) -> Callable[[str], View]:
    """Return the view of unpackers: archives, a decoder, and trees to compare with."""
    return lambda own: View.of(readable=_of(store, "blobs", "tools", "trees"), writable=[own])


def configuring(store: Store) -> Callable[[str], View]:
    """Return the view of workers that run packages' scripts: all that the layers need, read-only."""
    return lambda own: View.of(
        readable=_of(store, "blobs", "trees", "layers"), writable=[own], capabilities=BUILD
    )


def linking(store: Store, *, runs_programs: bool = False) -> Callable[[str], View]:
    """Return the view of workers that hard-link packages' files into a layer.

    link(2) fails between two mounts, so trees and staging are shown in one, the store's, which is writable;
    layers are read-only in it, and the rest is hidden.
    """
    hidden = [
        f"{store.path}/{name}"
        for name in DIRECTORIES
        if name not in {*_LINKED, "layers"} and not os.path.islink(f"{store.path}/{name}")
    ]
    return lambda _own: View.of(
        readable=[*_of(store, "layers"), f"{store.path}/format"],
        writable=[store.path],
        hidden=hidden,
        capabilities=BUILD if runs_programs else FILES,
    )


def placing(store: Store) -> Callable[[str], View]:
    """Return the view of workers that put files of a project, or fetched ones, over layers."""
    return lambda own: View.of(readable=_of(store, "layers", "blobs"), writable=[own])


def _of(store: Store, *names: str) -> list[str]:
    return [f"{store.path}/{name}" for name in names]
