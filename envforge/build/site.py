"""Build context: store, who builds, configuration. And what each kind of confined worker sees."""

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
    """Where files that a spec names are read: they come with a project, and a link may lie anywhere."""

    directory: str
    """The spec's: what is in it is opened beneath it."""
    allowed: Mapping[str, str] = field(factory=dict, hash=False)
    """Of sources outside, by their normalised path: the real path that they were allowed to lead to."""


@frozen
class Site:
    """Build context: the same for all parts of a build, so that jobs can be handed to processes."""

    store: Store
    identity: Identity
    config: Config
    files: ProjectFiles = ProjectFiles("/")
    """Where what the spec names is read."""
    anew: bool = False
    """Make every layer even where it is in the store, to compare."""
    project: str = ""
    """The project's name, for logs."""
    enter_failed: bool = False
    """Run a shell on the terminal where packages could not be configured."""
    hold: Hold | None = None
    """Keeps what this build finds and makes from being collected, until its environment is noted."""
    cache: Cache | None = None
    """Where layers are looked for that the store lacks, and put once they are made."""
    recorded: Mapping[str, str] | None = field(default=None, hash=False)
    """What the lock says of the digests of layers that follow from it alone, by name."""

    def keep(self, *names: str) -> None:
        """Hold digests, SHA-256s and keys: before they are looked for."""
        if self.hold is not None:
            self.hold.add(*names)

    @property
    def held(self) -> str:
        """Return how owners lie on disk."""
        return self.identity.held


def unpacking(store: Store) -> Callable[[str], View]:
    """Return what unpackers see: archives, a decoder, and trees to compare with."""
    return lambda own: View.of(readable=_of(store, "blobs", "tools", "trees"), writable=[own])


def configuring(store: Store) -> Callable[[str], View]:
    """Return what those see who run packages' scripts: everything that lies below, read-only."""
    return lambda own: View.of(
        readable=_of(store, "blobs", "trees", "layers"), writable=[own], capabilities=BUILD
    )


def linking(store: Store, *, runs_programs: bool = False) -> Callable[[str], View]:
    """Return what those see who link packages' files into a layer.

    A hard link does not lead from one mount to another, so trees and staging are of one, which is writable.
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
    """Return what those see who put files of a project, or fetched ones, over layers."""
    return lambda own: View.of(readable=_of(store, "layers", "blobs"), writable=[own])


def _of(store: Store, *names: str) -> list[str]:
    return [f"{store.path}/{name}" for name in names]
