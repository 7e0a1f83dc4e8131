"""One project: its spec, and where its lock and its store lie."""

import os

from attrs import frozen

from envforge import config
from envforge.config import Config
from envforge.errors import UsageError
from envforge.spec import parse as spec_parse
from envforge.spec.model import Spec
from envforge.store.layout import default_path


@frozen
class Project:
    """A spec that has been read, with everything that follows from where it lies."""

    spec_path: str
    """Real path of the spec."""
    spec: Spec
    store_path: str
    config: Config

    @property
    def directory(self) -> str:
        """Return the project directory, which is mounted at its own path."""
        return os.path.dirname(self.spec_path)

    @property
    def lock_path(self) -> str:
        """Return where the lock lies: beside the spec; `NAME.lock` for a spec of another name."""
        stem = os.path.basename(self.spec_path).removesuffix(".toml")
        return os.path.join(self.directory, f"{stem}.lock")


def open_project(file: str | None, store: str | None) -> Project:
    """Return the project of `file`, or of the nearest `envforge.toml` upward.

    Raises SpecError with every mistake of the spec, ConfigError.
    """
    path = os.path.realpath(file if file is not None else spec_parse.find(os.getcwd()))
    spec = spec_parse.load(path)
    settings = config.load()
    return Project(path, spec, store_location(store, settings), settings)


def store_location(store: str | None, settings: Config) -> str:
    """Return the store to use: what was asked for, the user's configuration, the usual place."""
    if store == "":
        raise UsageError("--store needs a directory")
    return os.path.realpath(store or settings.store or default_path())
