"""`capture`: what was installed and edited in a container, as lines of a spec."""

import os
import stat
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from attrs import evolve, frozen

from envforge.api import editing
from envforge.api.containers import plan_of
from envforge.containers.files import capturable, capturing
from envforge.containers.files.capturing import File, Left
from envforge.containers.records import Container
from envforge.errors import ConflictError, UsageError
from envforge.kernel.tree import Tree
from envforge.progress import Listener, ignore
from envforge.sandbox.ids import identity as identities
from envforge.spec import grammar
from envforge.spec.editing import tables as append
from envforge.spec.editing.tables import NewFile, NewService
from envforge.spec.names import DEFAULT

if TYPE_CHECKING:
    from envforge.api.editing import EditResult
    from envforge.environment.projects.project import Project

__all__ = ["Left", "Proposal", "capture", "reason_text", "write"]

_DIRECTORY: Final = "captured"
"""Below the spec: what is copied out of containers."""
_SHELLS: Final = frozenset(("sh", "bash", "dash", "zsh", "fish", "sleep"))
_LOOPBACK: Final = "127.0.0.1"
_USUAL: Final = ("0644", "0755")
_NAMED_MAX: Final = 20


@frozen
class Proposal:
    """What a spec would get."""

    container: str
    spec: str
    """The path of the container's own spec; empty where it has none."""
    environment: str
    packages: tuple[str, ...]
    """Installed by hand."""
    pulled_in: tuple[str, ...]
    """Those that came in with them: locking finds them again."""
    changed: tuple[tuple[str, str, str], ...]
    """Packages of another version: name, before, after."""
    removed: tuple[str, ...]
    units: tuple[str, ...]
    """Services of systemd that new packages brought, which nothing starts in a container."""
    captured: tuple[File, ...]
    """Files that were added or edited, with what is in them."""
    service: NewService | None
    left: tuple[Left, ...]
    """What cannot be carried over."""

    @property
    def files(self) -> tuple[NewFile, ...]:
        """Return the lines that the captured files get."""
        return tuple(_new_file(file) for file in self.captured)

    @property
    def is_empty(self) -> bool:
        """Say whether there is nothing to write."""
        return not (self.packages or self.captured or self.service)

    def text(self) -> str:
        """Return the lines of a spec."""
        tables = append.tables(self.files, self.service, self.environment)
        return f"{append.packages(self.packages, self.environment)}{tables}".lstrip("\n")


def reason_text(reason: str) -> str:
    """Return why something is left behind, for people."""
    return capturable.REASONS.get(reason, "for another reason")


def capture(container: Container) -> Proposal:
    """Return what a spec would get from a container. Raises SandboxError, StoreError."""
    found = capturing.capture(container, plan_of(container), identities.detect())
    files, misnamed = _named(found.files)
    environment = str(container.config["environment_name"]) or DEFAULT
    return Proposal(
        container=container.name,
        spec=str(container.config["project"]),
        environment=environment if _allows(grammar.NAME, environment) else DEFAULT,
        packages=_packages(found.by_hand),
        pulled_in=_packages(found.pulled_in),
        changed=tuple(one for one in found.changed if _allows(grammar.PACKAGE, one[0])),
        removed=_packages(found.removed),
        units=found.units,
        captured=tuple(files),
        service=_service(container, environment),
        left=(*(one for one in found.left if one.reason in capturable.REASONS), *misnamed),
    )


def _packages(names: Sequence[str]) -> tuple[str, ...]:
    return tuple(sorted({name for name in names if _allows(grammar.PACKAGE, name) and "=" not in name}))


def _named(files: Sequence[File]) -> tuple[list[File], list[Left]]:
    """Return the files whose names a spec takes, and the others."""
    wrong = [file for file in files if not _fits(file.path)]
    left = [Left("name", len(wrong), tuple(file.path for file in wrong[:_NAMED_MAX]))] if wrong else []
    return [file for file in files if _fits(file.path)], left


def _fits(path: str) -> bool:
    return path.isprintable() and _allows(grammar.ABSOLUTE_PATH, path)


def _allows(rule: grammar.Rule, value: str) -> bool:
    return not rule.problem(value)


def _new_file(file: File) -> NewFile:
    mode = f"{file.mode & 0o777:04o}"
    return NewFile(_DIRECTORY + file.path, file.path, "" if mode in _USUAL else mode)


def _service(container: Container, environment: str) -> NewService | None:
    """Return a service of what the container runs, if it is there to serve and is none yet."""
    config = container.config
    command = tuple(map(str, config["command"]))
    published = tuple(_published(one) for one in config["network"]["published"])
    policy, retries = config["restart"]["policy"], config["restart"]["retries"]
    serves = published or policy != "no"
    if config["service"] or not serves or not _allows(grammar.NAME, container.name):
        return None
    if (
        not all(_allows(grammar.ARGUMENT, word) for word in command)
        or os.path.basename(command[0]) in _SHELLS
    ):
        return None
    restart = "" if policy == "no" else f"{policy}:{retries}" if retries else policy
    other = "" if environment == DEFAULT else environment
    return NewService(container.name, command, other, published, restart, str(config["user"]))


def _published(one: dict[str, object]) -> str:
    address = str(one["address"])
    shown = f"[{address}]" if ":" in address else address
    before = "" if address == _LOOPBACK else f"{shown}:"
    protocol = "" if one["protocol"] == "tcp" else f"/{one['protocol']}"
    return f"{before}{one['host'] or 'auto'}:{one['container']}{protocol}"


def write(
    proposal: Proposal, project: "Project", *, lock: bool = True, listener: Listener = ignore
) -> "EditResult":
    """Write a proposal into a project: its files below `captured/`, its lines into the spec; and lock.

    Nothing that is there is overwritten, and where anything fails nothing is changed. Raises ConflictError,
    UsageError where there is nothing to write, SpecError, and whatever `editing.add` raises.
    """
    fresh = without_known(proposal, project)
    if fresh.is_empty:
        raise UsageError(f"there is nothing to write from the container {proposal.container}")
    with Tree(os.path.dirname(os.path.realpath(project.spec_path))) as tree:
        written = _write_files(tree, fresh)
        try:
            return editing.capture(
                project, fresh.packages, fresh.files, fresh.service, lock=lock, listener=listener
            )
        except BaseException:
            for path in written:
                with suppress(OSError):
                    tree.remove(path)
            raise


def without_known(proposal: Proposal, project: "Project") -> Proposal:
    """Return the proposal without what the spec has already."""
    spec = project.spec
    targets = {file.target for file in spec.files}
    known = [file.path for file in proposal.captured if file.path in targets]
    listed = {request.partition("=")[0] for request in spec.debian.packages}
    service = proposal.service
    left = [Left("listed", len(known), tuple(known[:_NAMED_MAX]))] if known else []
    return evolve(
        proposal,
        packages=tuple(name for name in proposal.packages if name not in listed),
        captured=tuple(file for file in proposal.captured if file.path not in targets),
        service=None if service is not None and service.name in spec.services else service,
        left=(*proposal.left, *left),
    )


def _write_files(tree: Tree, proposal: Proposal) -> list[str]:
    """Write the files that are not there yet; return their paths. Raises ConflictError where others are."""
    missing = []
    for file in proposal.captured:
        path = f"/{_DIRECTORY}{file.path}"
        status = tree.stat(path, follow=False)
        if status is None:
            missing.append((path, file))
        elif not stat.S_ISREG(status.st_mode) or tree.read(path, follow=False) != file.content:
            raise ConflictError(
                f"{tree.shown(path)} is there already and differs",
                hint="move it away, or copy it by `envforge cp`",
            )
    written: list[str] = []
    try:
        for path, file in missing:
            tree.write(path, file.content, mode=0o755 if file.mode & stat.S_IXUSR else 0o644)
            written.append(path)
    except BaseException:
        for path in written:
            tree.remove(path)
        raise
    return written
