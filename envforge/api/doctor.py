"""`doctor`: what this machine lacks. Each check says what was found, why it matters, what mends it."""

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from typing import Final

from attrs import field, frozen

from envforge import places
from envforge.config import load
from envforge.containers.network import probe as network_probe
from envforge.environment.projects.project import Project
from envforge.errors import EnvforgeError
from envforge.kernel import processes, release, seccomp
from envforge.kernel.advice import read_sysctl
from envforge.sandbox.ids import probe
from envforge.sandbox.ids.identity import Identity, detect
from envforge.sandbox.ids.idmappable import not_idmappable
from envforge.sandbox.inherited import PROXIES
from envforge.sandbox.limits.choose import backend
from envforge.sandbox.outbound import way as ways
from envforge.spec.model import Spec
from envforge.store import sealing
from envforge.units import size_text

WELL: Final = "well"
NOTE: Final = "note"
"""It works, and there is a better way."""
PROBLEM: Final = "problem"

_PYTHON: Final = (3, 11)
_SPACE_BYTES: Final = 2_000_000_000
_INODES: Final = 100_000
_SCOPES: Final = 6
"""The ABI version of Landlock that added scopes (Linux 6.12)."""
_NAMES: Final = 6
"""How many certificates are listed by name."""


@frozen
class Check:
    """One finding."""

    subject: str
    state: str
    found: str
    why: str = ""
    mend: str = ""
    """The exact command or edit that mends it."""


def _identity() -> Identity | EnvforgeError:
    try:
        return detect()
    except EnvforgeError as error:
        return error


@frozen
class Machine:
    """What the checks examine."""

    store: str
    spec: Spec | None
    identity: Identity | EnvforgeError = field(factory=_identity)


def checks(store_path: str, project: Project | None = None) -> Iterator[Check]:
    """Yield one finding per subject, as soon as it is known. Contacts the spec's mirrors, or usual ones."""
    machine = Machine(store_path, project.spec if project else None)
    for check in _CHECKS:
        yield check(machine)


def _python(_machine: Machine) -> Check:
    found = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info >= _PYTHON:
        return Check("python", WELL, found)
    return Check("python", PROBLEM, found, "3.11 is the oldest that works", "sudo apt-get install python3")


def _kernel(_machine: Machine) -> Check:
    text, number = os.uname().release, release.version()
    if number < release.OVERLAY:
        why = "overlay and mount_setattr in user namespaces need Linux 5.12"
        return Check("kernel", PROBLEM, text, why, "use a newer kernel: Debian 12's is 6.1")
    if os.geteuid() == 0 and number < release.OVER_IDMAPPED:
        why = "idmapped mounts need Linux 5.19: what root runs sees the host's ids"
        return Check("kernel", NOTE, text, why, "use a newer kernel, or a plain user")
    return Check("kernel", WELL, text)


def _namespaces(machine: Machine) -> Check:
    if isinstance(machine.identity, EnvforgeError):
        return _of_error("namespaces", machine.identity, "nothing can be built or entered")
    error = probe.namespace(machine.identity)
    if error:
        return _of_error("namespaces", error, "nothing can be built or entered")
    return Check("namespaces", WELL, "user namespaces can be made")


def _of_error(subject: str, error: EnvforgeError, why: str) -> Check:
    return Check(subject, PROBLEM, error.message, why, error.hint)


def _ids(machine: Machine) -> Check:
    identity = machine.identity
    if isinstance(identity, EnvforgeError):
        return _of_error("ids", identity, "nothing can be built or entered")
    ways = {"true": "run by root: owners are real", "flat": "a single id"}
    found = ways.get(identity.held, f"a subordinate range ({identity.held})")
    if not identity.notes:
        return Check("ids", WELL, found)
    missing, _, mend = identity.notes[0].partition(": ")
    why = f"{missing}; building is slower, and everything inside looks yours" if mend else missing
    return Check("ids", NOTE, found, why, mend)


def _overlay(machine: Machine) -> Check:
    if isinstance(machine.identity, EnvforgeError):
        return _of_error("overlay", machine.identity, "an environment is an overlay of its layers")
    place = _existing(machine.store)
    if not os.access(place, os.W_OK):
        return Check("overlay", NOTE, f"not tried: {place} cannot be written")
    error = probe.overlay(machine.identity, place)
    if error:
        return _of_error("overlay", error, "an environment is an overlay of its layers")
    return Check("overlay", WELL, f"works in {place}")


def _networks(_machine: Machine) -> Check:
    error = network_probe.network()
    if error is not None:
        why = "services of a project do not reach each other; published ports work all the same"
        return Check(
            "networks", NOTE, f"no bridge or veth: {error.strerror}", why, "sudo modprobe -a bridge veth"
        )
    out = ways.find()
    if not out.why:
        found = f"services of a project can be connected, and private networks have a way out ({out.kind})"
        return Check("networks", WELL, found)
    found, _, mend = out.why.partition(": ")
    return Check("networks", NOTE, found, "services and what publishes ports do not reach the internet", mend)


def _space(machine: Machine) -> Check:
    place = _existing(machine.store)
    free = shutil.disk_usage(place).free
    inodes = os.statvfs(place).f_favail
    found = f"{size_text(free)} free in {place}"
    if free < _SPACE_BYTES:
        why = "an environment with compilers takes about 1 GB, and as much while it is made"
        return Check("space", NOTE, found, why, "free some space, or envforge --store DIR …")
    if 0 < inodes < _INODES:
        why = "an environment has tens of thousands of files"
        return Check("space", NOTE, f"{inodes} inodes free in {place}", why, "envforge --store DIR …")
    return Check("space", WELL, found)


def _store(machine: Machine) -> Check:
    place = _existing(machine.store)
    owner = os.stat(place).st_uid
    if place == os.path.abspath(machine.store) and owner != os.geteuid():
        found = f"{place} belongs to uid {owner}, you are uid {os.geteuid()}"
        return Check("store", PROBLEM, found, "a store has one owner", "envforge --store DIR …")
    if not os.access(place, os.W_OK):
        found = f"{place} cannot be written"
        return Check("store", PROBLEM, found, "everything built lies in the store", "envforge --store DIR …")
    kept = "sealed by fs-verity" if sealing.is_available(place) else "not sealed: no fs-verity here"
    return Check("store", WELL, f"{machine.store}, its files {kept}")


def _existing(path: str) -> str:
    """Return the path, or the nearest directory above it that exists."""
    path = os.path.abspath(path)
    while not os.path.isdir(path):
        path = os.path.dirname(path)
    return path


def _mirrors(machine: Machine) -> Check:
    from envforge.sources import registry  # noqa: PLC0415 (help needs none of it)

    why = "without a mirror nothing new can be locked or fetched; what is in the store works"
    try:
        config = load()
        found = [answer for source in registry.LOCKED if (answer := source.answer(config, machine.spec))]
    except EnvforgeError as error:
        mend = "check the network, the proxy (http_proxy) and the addresses in /etc/apt/sources.list*"
        return Check("mirror", PROBLEM, error.message, why, mend)
    return Check("mirror", WELL, ", ".join(found))


def _state(_machine: Machine) -> Check:
    usual = places.usual_state_directory()
    try:
        used = places.state_directory()
    except EnvforgeError as error:
        return _of_error("state", error, "private homes and what you allowed are kept there")
    if used == usual:
        return Check("state", WELL, used)
    why = f"{usual} cannot be written; private homes and what you allowed may be lost"
    return Check("state", NOTE, used, why, "export XDG_STATE_HOME=DIR")


def _trust(_machine: Machine) -> Check:
    from envforge.environment.entering import certificates  # noqa: PLC0415 (help needs none of it)

    try:
        sources = certificates.sources(os.environ, load().ca_file)
    except EnvforgeError as error:
        return _of_error("trust", error, "certificates to trust stand in it")
    names = [one.name for one in certificates.extra_ones(sources, b"")]
    if not names:
        return Check("trust", WELL, "no certificates besides Debian's")
    shown = ", ".join(names[:_NAMES]) + (f" and {len(names) - _NAMES} more" if len(names) > _NAMES else "")
    return Check("trust", WELL, f"besides Debian's, and so inside too: {shown}")


def _proxies(_machine: Machine) -> Check:
    from envforge.transfer.network import without_password  # noqa: PLC0415 (help needs none of it)

    found = [f"{name}={without_password(os.environ[name])[0]}" for name in PROXIES if os.environ.get(name)]
    return Check("proxies", WELL, "none" if not found else f"let in: {', '.join(found)}")


def _ping(_machine: Machine) -> Check:
    low, high = map(int, (read_sysctl("net.ipv4.ping_group_range") or "1 0").split())
    if low <= os.getegid() <= high:
        return Check("ping", WELL, "works inside")
    why = "ping inside needs it, where the environment sees the host's network"
    mend = "sudo sysctl -w net.ipv4.ping_group_range='0 2147483647'"
    return Check("ping", NOTE, f"net.ipv4.ping_group_range is {low} {high}", why, mend)


def _seccomp(machine: Machine) -> Check:
    actions = (read_sysctl("kernel.seccomp.actions_avail") or "").split()
    if "errno" not in actions:
        return Check("seccomp", PROBLEM, "not there", "sandboxes are closed with it", "use a kernel with it")
    if (
        isinstance(machine.identity, Identity)
        and machine.identity.held == "flat"
        and "user_notif" not in actions
    ):
        why = "with a single id, builds need its notifications"
        return Check("seccomp", PROBLEM, "has no user_notif", why, "use Linux 5.0 or later")
    machine_name = os.uname().machine
    programs = seccomp.ARCHITECTURES.get(machine_name, ())
    if not programs:
        return Check("seccomp", NOTE, f"no filter for {machine_name}", "system calls are not restricted")
    return Check("seccomp", WELL, f"an allow list for {' and '.join(programs)} programs")


def _landlock(_machine: Machine) -> Check:
    version = processes.landlock_version()
    if version >= _SCOPES:
        return Check("landlock", WELL, "the host's abstract sockets are out of reach")
    found = f"version {version}, without scopes" if version else "not there"
    why = "with the host's network, abstract sockets of yours (X11, D-Bus) are in reach inside"
    return Check("landlock", NOTE, found, why, 'use Linux 6.12 or later, or [network] mode = "none"')


def _cgroups(_machine: Machine) -> Check:
    here = backend()
    why, mend = here.falls_short()
    return Check("cgroups", NOTE if why else WELL, here.told(), why, mend)


def _idmapped(machine: Machine) -> Check:
    identity, place = machine.identity, _existing(machine.store)
    if isinstance(identity, EnvforgeError) or identity.held != "true":
        return Check("idmapped", WELL, "not needed: run by a plain user")
    if release.version() >= release.OVER_IDMAPPED and not not_idmappable(identity, [place]):
        return Check("idmapped", WELL, f"works in {place}: what root runs has ids of its own")
    mend = "use Linux 5.19 or later and a store on ext4, xfs or btrfs, or a plain user"
    return Check("idmapped", NOTE, f"does not work in {place}", "what root runs has the host's ids", mend)


_CHECKS: Final[tuple[Callable[[Machine], Check], ...]] = (
    _python,
    _kernel,
    _namespaces,
    _ids,
    _seccomp,
    _landlock,
    _cgroups,
    _idmapped,
    _store,
    _overlay,
    _space,
    _state,
    _trust,
    _proxies,
    _ping,
    _networks,
    _mirrors,
)
