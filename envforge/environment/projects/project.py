"""A project: its spec, and where its lock and its store are."""

import os
import stat
from collections.abc import Mapping
from typing import TYPE_CHECKING

from envforge import config, trust
from envforge.config import Config
from envforge.digest import sha256_of
from envforge.environment.projects import location, ownership
from envforge.environment.projects.reach import Reach, reach_of
from envforge.errors import NotFoundError, SpecError
from envforge.spec import parse as spec_parse
from envforge.spec.grammar import nearest
from envforge.spec.model import Spec
from envforge.spec.names import DEFAULT, label
from envforge.values import field, frozen

if TYPE_CHECKING:
    from envforge.build.site import ProjectFiles

_KEY_MAX_BYTES = 1 << 20
_ATTEMPTS = 100
_HOST_NAME_MAX = 63


@frozen
class Project:
    """A parsed spec, with everything that follows from where it lies."""

    spec_path: str
    """Real path of the spec."""
    specs: Mapping[str, Spec] = field(hash=False)
    """The spec of each environment, by name, `default` first."""
    spec_data: bytes
    """The bytes that the specs were parsed from."""
    store_path: str
    config: Config
    found: str = ""
    """Path of the spec before links were followed."""
    owner: int = -1
    """Uid of the spec's owner."""
    reach: Reach = field(factory=Reach)
    """What the spec wants of the host, in all of its environments."""
    environment: str = DEFAULT
    """The chosen one of the spec's environments."""
    places: Mapping[str, str] = field(factory=dict, hash=False)
    """Real paths of sources outside the project, by the path that the spec means: links are followed once,
    before consent; later opens follow none (TOCTOU)."""

    @property
    def spec(self) -> Spec:
        """Return the spec of the chosen environment."""
        return self.specs[self.environment]

    @property
    def label(self) -> str:
        """Return the chosen environment's name in lists: `shop`, or `shop:db`."""
        return label(self.spec.name, self.environment)

    @property
    def host_name(self) -> str:
        """Return the chosen environment's host name inside: `shop`, or `shop-db`."""
        return self.label.replace(":", "-")[:_HOST_NAME_MAX].rstrip("-")

    @property
    def directory(self) -> str:
        """Return the project directory, which is mounted at its own path."""
        return os.path.dirname(self.spec_path)

    @property
    def files(self) -> "ProjectFiles":
        """Return what files that the spec names are opened through."""
        from envforge.build.site import ProjectFiles  # noqa: PLC0415 - commands that only read save 20 ms

        return ProjectFiles(self.directory, self.places)

    @property
    def lock_path(self) -> str:
        """Return the path of the lock, beside the spec."""
        return trust.lock_of(self.spec_path)


def open_project(
    file: str | None, store: str | None, cache: str | None = None, environment: str | None = None
) -> Project:
    """Return the project of `file`, or of the nearest `envforge.toml` upward.

    `store` and `cache` override the user's configuration; `environment` is one of the spec's.

    Raises OwnerError where others can write the spec, SpecError with every mistake in it, NotFoundError where
    it has no such environment, ConfigError.
    """
    found = location.named(file)
    owners = ownership.check(found)
    path = os.path.realpath(found)
    data = spec_parse.read(path)
    specs = spec_parse.parse_all(data, path)
    name = environment or DEFAULT
    _check_there(name, specs, path)
    settings = config.load()
    if cache:
        settings = settings._replace(cache=os.path.abspath(cache))
    places: dict[str, str] = {}

    def known_path(source: str) -> str:
        return places.setdefault(source, real_path(source))

    home = os.path.expanduser("~")
    wants = {
        want
        for spec in specs.values()
        for want in reach_of(spec, os.path.dirname(path), home, known_path, _key_digest).wants
    }
    reach = Reach(tuple(sorted(wants)))
    owner = next((uid for seen, uid, _, _ in owners if seen == path), -1)
    where = config.store_path(store, settings)
    return Project(path, specs, data, where, settings, found, owner, reach, name, places)


def _check_there(name: str, specs: Mapping[str, Spec], path: str) -> None:
    """Raise NotFoundError for an environment that the spec does not have."""
    if name not in specs:
        meant = nearest(name, list(specs))
        there = f"did you mean {meant}?" if meant else f"it has {', '.join(specs)}"
        raise NotFoundError(
            f"{path} has no environment {name!r}; {there}", hint="`envforge show` lists those of a spec"
        )


def real_path(path: str) -> str:
    """Return a path's real path, trying again while code in a sandbox swaps a link and a file there.

    Raises SpecError where that does not stop.
    """
    for _ in range(_ATTEMPTS):
        try:
            return os.path.realpath(path)
        except OSError:  # a link was replaced while it was followed
            continue
    raise SpecError(f"{path} is another thing each time that it is looked at", hint="what changes it?")


def _key_digest(path: str) -> str:
    """Return the SHA-256 of a key file: another key under the same name needs consent anew."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return "missing"
    with open(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return "missing"
        return sha256_of(file.read(_KEY_MAX_BYTES))
