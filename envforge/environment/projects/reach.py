"""What a spec wants beyond its own directory, a private home and the network: its reach. Pure.

Code in a sandbox can edit the spec, so its reach needs consent (`consent.py`): the user sees it once, in
these words. Everything that weakens a sandbox or shows it more of the host is a want; restrictions are not.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, NamedTuple

from envforge.digest import digest_of
from envforge.sandbox.masks import is_inside
from envforge.spec.from_outside import Mount
from envforge.spec.grammar import local_path
from envforge.spec.model import Archive, Spec
from envforge.values import frozen

LOCKING: Final = frozenset({"archive", "fetch"})
"""Kinds that locking needs consent for."""
BUILDING: Final = LOCKING | {"file"}
"""Kinds that building needs consent for."""


class Want(NamedTuple):
    """One thing that a spec wants of the host."""

    kind: str
    """`archive`, `fetch`, `file`, `project`, `home`, `mount`, `pass`, `forward`, `user`, `publish`,
    `privileges` or `nested`."""
    text: str
    """As the spec says it."""
    place: str = ""
    """What the text refers to on this machine, where that can change: a real path, a key file's hash."""

    def __str__(self) -> str:
        """Return the want in plain words."""
        is_said = not self.place or self.text.endswith(self.place)
        place = "" if is_said else f" ({shown(self.place)})"
        return _WORDS[self.kind].format(shown(self.text), place=place)


_WORDS: Final = {
    "archive": "install packages from the archive {}{place}; their scripts run in builds",
    "fetch": "copy {}{place} from outside the project into the environment",
    "file": "copy {}{place} from outside the project into the environment",
    "project": "see and change the project directory {}, which is or holds your home",
    "home": "see and change your whole home directory{place}",
    "mount": "{}{place}",
    "pass": "read the variables {} of your environment",
    "forward": "use your {}",
    "publish": "open the port {} to other machines",
    "user": "run as the environment's user {} instead of yourself",
    "privileges": "use set-id programs and file capabilities inside",
    "nested": "make namespaces of its own inside, which opens more of the kernel to it",
}


@frozen
class Reach:
    """Everything that a spec wants of the host; empty for a plain spec."""

    wants: tuple[Want, ...] = ()
    """Sorted, each once."""

    @property
    def digest(self) -> str:
        """Return the SHA-256 of exactly these wants, which allows them in one call: 64 hex digits."""
        return digest_of({"reach": 1, "wants": [[one.kind, one.text, one.place] for one in self.wants]})


def reach_of(
    spec: Spec,
    directory: str,
    home: str,
    real_path: Callable[[str], str] = os.path.realpath,
    key_digest: Callable[[str], str] = str,
) -> Reach:
    """Return the reach of a spec in `directory`, for a user with that home.

    `real_path` follows links; `key_digest` hashes a key file.
    """
    wants = [
        *_archives(spec, directory, key_digest),
        *_places(spec, directory, home, real_path),
        *_runtime(spec),
        *_services(spec, directory, real_path),
    ]
    return Reach(tuple(sorted(set(wants))))


def source_of(directory: str, source: str) -> str:
    """Return the absolute path on the host that a source in a spec means; no link is followed."""
    return os.path.normpath(os.path.join(directory, os.path.expanduser(source)))


def _archives(spec: Spec, directory: str, key_digest: Callable[[str], str]) -> Iterator[Want]:
    for archive in spec.debian.archives:
        is_file = archive.key and not archive.key_source
        digest = key_digest(source_of(directory, archive.key)) if is_file else ""
        yield Want("archive", _archive_text(archive), digest)


def _archive_text(archive: Archive) -> str:
    key = f", key {archive.key}" if archive.key else ""
    source = f" from {archive.key_source}" if archive.key_source else ""
    return f"{archive.uri} {archive.suite} {' '.join(archive.components)}{key}{source}"


def _places(spec: Spec, directory: str, home: str, real_path: Callable[[str], str]) -> Iterator[Want]:
    real_home = real_path(home)
    if is_inside(real_home, directory):
        yield Want("project", directory)
    if spec.shell.home == "host":
        yield Want("home", 'home = "host"', real_home)
    for one in spec.fetch:
        source = local_path(one.url)
        path = os.path.normpath(os.path.join(directory, source))
        if source and not is_inside(path, directory):
            yield Want("fetch", one.url, real_path(path))
    for file in spec.files:
        path = source_of(directory, file.source)
        if not is_inside(path, directory):
            yield Want("file", file.source, real_path(path))
    yield from _mounts(spec.mounts, directory, real_path)


def _mounts(mounts: Iterable[Mount], directory: str, real_path: Callable[[str], str]) -> Iterator[Want]:
    for mount in mounts:
        path = source_of(directory, mount.source)
        if not is_inside(path, directory):
            doing = "see" if mount.read_only else "see and change"
            yield Want("mount", f"{doing} {mount.source}", real_path(path))


def _runtime(spec: Spec) -> Iterator[Want]:
    shell: Any = spec.shell
    for name in shell.pass_:
        yield Want("pass", name)
    for name in shell.forward:
        yield Want("forward", name)
    if shell.user != "self":
        yield Want("user", shell.user)
    for name in ("privileges", "nested"):
        if getattr(shell, name, False):
            yield Want(name, f"{name} = true")


def _services(spec: Spec, directory: str, real_path: Callable[[str], str]) -> Iterator[Want]:
    for service in spec.services.values():
        yield from _mounts(service.mounts, directory, real_path)
        if service.user not in ("", "self"):
            yield Want("user", service.user)
        for text in service.publish:
            if not is_loopback(text):
                yield Want("publish", text)
    for source in spec.secrets.values():
        kind, _, name = source.partition(":")
        if kind == "variable":
            yield Want("pass", name)


def is_loopback(published: str) -> bool:
    """Say whether a published port can be reached from this machine only."""
    address = published.rpartition("]")[0].lstrip("[") if published.startswith("[") else ""
    if not address and published.count(":") > 1:
        address = published.partition(":")[0]
    return address in ("", "::1") or address.startswith("127.")


def shown(text: str) -> str:
    """Return a text of a spec with unprintable characters escaped: they can move the cursor or hide text."""
    return "".join(one if one.isprintable() else f"\\u{ord(one):04x}" for one in text)
