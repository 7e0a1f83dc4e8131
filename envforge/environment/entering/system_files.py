"""Files that entering mounts over the environment's /etc: the host's, or both merged. They are in no layer.

A file that `[[files]]` or `[[fetch]]` puts in such a place is never hidden: hosts, resolv.conf and localtime
then stay as the spec has them; passwd, group and the certificates are extended, not replaced.
"""

import hashlib
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Final

from attrs import frozen

from envforge import config, whole_file
from envforge.environment.entering import certificates, git
from envforge.environment.entering.certificates import Certificate
from envforge.environment.made.brought import Brought
from envforge.environment.made.own_files import BUNDLE, KEYSTORE, OwnFiles
from envforge.environment.projects.project import Project
from envforge.key_files import jks
from envforge.sandbox import cache
from envforge.sandbox.plan.model import Mount
from envforge.sources import registry

HOSTS: Final = "/etc/hosts"
_ORDER: Final = "/etc/gai.conf"
_IPV4_FIRST: Final = b"precedence ::ffff:0:0/96 100\n"
"""gai.conf(5): a service's name stands for an address of either kind, and most servers listen on IPv4."""
_OF_THE_HOST: Final = ("/etc/resolv.conf", "/etc/localtime")
_YOUNG_S: Final = 24 * 3600
"""A younger file may belong to a plan that is just being made."""
_HOSTS_MAX_BYTES: Final = 16 << 20


@frozen
class Accounts:
    """The passwd and group files inside, and whether the user is root."""

    passwd: str
    group: str
    is_root: bool = False


@frozen
class SystemFiles:
    """The mounts over /etc, and the variables that point programs to them."""

    mounts: tuple[Mount, ...]
    variables: Mapping[str, str]


def watched(project: Project, host: Mapping[str, str]) -> tuple[str, ...]:
    """Return the files of the host that the plan follows from: when one changes, the plan is made again."""
    found = (HOSTS, *_trusted(project, host), *git.repository_of(project.directory).files)
    return tuple(path for path in found if os.path.isfile(path))


def system_files(
    project: Project, own: OwnFiles, brought: Brought, accounts: Accounts, host: Mapping[str, str]
) -> SystemFiles:
    """Return the files for a project's environment on this host; `host` are the host's variables."""
    extra = certificates.extra_ones(_trusted(project, host), own.bundle)
    of_the_host = [path for path in _OF_THE_HOST if not is_given(project, brought, path)]
    mounts = [
        *(Mount(path, path, read_only=True, optional=True, own=True) for path in of_the_host),
        Mount(_generated(_encoded(accounts.passwd)), "/etc/passwd", read_only=True, own=True),
        Mount(_generated(_encoded(accounts.group)), "/etc/group", read_only=True, own=True),
        *_certificates(own, extra),
    ]
    for source in registry.LOCKED:
        found = source.laid(project.spec, project.config, tools=own.tools, is_root=accounts.is_root)
        laid = [one for one in found if not is_given(project, brought, one.path)]
        mounts += [_laid(one.content, one.path, mode=one.mode) for one in laid]
    if not is_given(project, brought, HOSTS):
        text = hosts_text(_host_lines(), project.host_name)
        mounts.append(Mount(_generated(_encoded(text)), HOSTS, read_only=True, own=True))
    if project.spec.network.mode == "private" and not is_given(project, brought, _ORDER):
        mounts.append(_laid(_IPV4_FIRST, _ORDER))
    return SystemFiles(tuple(mounts), certificates.variables() if extra else {})


def is_given(project: Project, brought: Brought, path: str) -> bool:
    """Return whether the spec puts a file of its own at that path inside.

    Its layers hold it there, or elsewhere if the environment has a link at that path.
    """
    if brought.holds(path) or any(path == one.target for one in project.spec.fetch):
        return True
    for file in project.spec.files:
        source = os.path.join(project.directory, file.source)
        if path == file.target:
            return True
        if path.startswith(f"{file.target}/") and os.path.lexists(source + path[len(file.target) :]):
            return True
    return False


def hosts_text(lines: str, name: str) -> str:
    """Return /etc/hosts (hosts(5)): the environment's own name, the host's lines, then missing usual ones.

    The own name comes first, so that it is canonical; 127.0.1.1 is Debian's address for it on a machine
    without a permanent one (Debian Reference, 5.1.1). `localhost` is never added for `::1`: where the host
    has it for IPv4 only, that stays so.
    """
    addresses = {line.split()[0] for line in lines.splitlines() if line.split()}
    usual = {"127.0.0.1": "localhost", "::1": "ip6-localhost ip6-loopback"}
    missing = [f"{address}\t{names}\n" for address, names in usual.items() if address not in addresses]
    ending = "" if lines.endswith("\n") or not lines else "\n"
    return f"127.0.1.1\t{name}\n" + lines + ending + "".join(missing)


def _host_lines() -> str:
    try:
        with open(HOSTS, encoding="utf-8", errors="surrogateescape") as file:
            return file.read(_HOSTS_MAX_BYTES)
    except OSError:
        return ""


def _trusted(project: Project, host: Mapping[str, str]) -> tuple[str, ...]:
    if project.spec.network.trust == "environment":
        return ()
    return certificates.sources(host, project.config.ca_file)


def _certificates(own: OwnFiles, extra: Sequence[Certificate]) -> Iterator[Mount]:
    if not extra:
        return
    yield Mount(_generated(certificates.with_extra(own.bundle, extra)), BUNDLE, read_only=True, own=True)
    try:
        known = jks.read_keystore(own.keystore) if own.keystore else {}
    except (ValueError, LookupError, ArithmeticError):
        return  # a keystore that envforge did not write
    if known:
        added = {f"host:{hashlib.sha256(one.der).hexdigest()[:16]}": one.der for one in extra}
        yield Mount(_generated(jks.keystore(known | added)), KEYSTORE, read_only=True, own=True)


def _laid(data: bytes, path: str, *, mode: int = 0o644) -> Mount:
    return Mount(_generated(data, mode=mode), path, read_only=True, own=True)


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _generated(data: bytes, *, mode: int = 0o644) -> str:
    """Return a content-addressed file in the state directory that holds `data`."""
    directory = f"{config.state_directory()}/files"
    path = f"{directory}/{hashlib.sha256(data).hexdigest()[:32]}"
    if not os.path.exists(path):
        os.makedirs(directory, 0o700, exist_ok=True)
        sweep(directory)
        whole_file.write(path, data, mode=mode)
    return path


def sweep(directory: str) -> None:
    """Remove generated files older than a day that no cached plan mounts."""
    plans = []
    with suppress(FileNotFoundError):
        for entry in os.scandir(cache.directory()):
            with suppress(OSError), open(entry.path, "rb") as file:
                plans.append(file.read())
    known = b"".join(plans)
    before_s = time.time() - _YOUNG_S
    for entry in os.scandir(directory):
        with suppress(FileNotFoundError):  # another process sweeps as well
            is_old = entry.stat(follow_symlinks=False).st_mtime < before_s
            if is_old and os.fsencode(entry.name) not in known:
                os.unlink(entry.path)
