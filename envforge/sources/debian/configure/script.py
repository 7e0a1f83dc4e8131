"""The shell script that configures packages inside the sandbox. Pure text. Debian Policy, chapter 6."""

import shlex
from collections.abc import Mapping, Sequence
from typing import Final

from attrs import frozen

from envforge.sources.debian.quirks import table as quirks

EARLY: Final = ("base-passwd", "base-files")
"""Everything else expects root's passwd line and the directories that these two make."""
COVERS: Final = "/usr/libexec/envforge/covers"
"""Directory of the stand-ins for files that dpkg itself unpacks; the script copies them into place."""
_ASIDE: Final = ".envforge-aside"
_REGISTER: Final = (
    "Debconf::Db->load; "
    "while (my ($owner, $file) = splice @ARGV, 0, 2) { Debconf::Template->load($file, $owner) } "
    "Debconf::Db->save"
)
"""What debconf-loadtemplate does, which is in a package that few have."""
_UNPACKING: Final = "/var/lib/dpkg/tmp.ci"
"""dpkg's directory of the control members of the package that it unpacks."""


@frozen
class Preinst:
    """A package whose preinst runs."""

    package: str
    architecture: str
    path: str
    """Absolute inside, `/var/lib/dpkg/info/….preinst`."""


def environment(epoch: int) -> dict[str, str]:
    """Return the environment variables of a configuration: all fixed, none of the host's."""
    return {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": "/root",
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        "TERM": "dumb",
        "DEBIAN_FRONTEND": "noninteractive",
        "DEBCONF_NONINTERACTIVE_SEEN": "true",
        "DEBCONF_NOWARNINGS": "yes",
        "PYTHONHASHSEED": "0",
        "PERL_HASH_SEED": "0",
        "PERL_PERTURB_KEYS": "0",
        "SOURCE_DATE_EPOCH": str(epoch),
        "DPKG_COLORS": "never",
        "APT_LISTCHANGES_FRONTEND": "none",
        **quirks.VARIABLES,
    }


_BEGIN: Final = ("set -e", "cd /", "umask 022")


@frozen
class Unpacking:
    """The steps before `dpkg --configure` in one script."""

    preinsts: Sequence[Preinst] = ()
    unpack: Sequence[str] = ()
    """Paths of archives, as seen inside, for packages whose files cannot simply be laid into a farm."""
    covered: Sequence[str] = ()
    """Files of theirs that a stand-in replaces; it lies in COVERS, under the same path."""


def unpack_script(unpacking: Unpacking, before: Sequence[str], settle: Sequence[str] = ()) -> str:
    """Return the script of a wave: its pre-dependencies `before` are configured, then its preinsts run.

    Archives that dpkg itself must unpack follow. `settle` are commands that wait for background work, last.
    """
    lines = [*_BEGIN]
    if before:
        lines += ["ldconfig", shlex.join(["dpkg", "--configure", *before])]
    lines += [*map(_run_preinst, unpacking.preinsts), *_unpack(unpacking)]
    return "\n".join([*lines, *(settle if before else ())]) + "\n"


def configure_script(
    unpacking: Unpacking,
    *,
    early: Sequence[str] = (),
    registered: Sequence[tuple[str, str]] = (),
    covered: Sequence[str] = (),
    settle: Sequence[str] = (),
) -> str:
    """Return the script that configures everything: preinsts, what dpkg itself must unpack, then the rest.

    `early` packages go first: in the base step there is no passwd yet. `registered` are packages, and how
    dpkg names their files, whose questions debconf is told as soon as it works. `covered` are the files that
    earlier scripts covered, whose real ones are moved back; `settle` as in `unpack_script`.
    """
    ordered = sorted(unpacking.preinsts, key=lambda one: (one.package != "base-passwd", one.package))
    lines = [*_BEGIN, *map(_run_preinst, ordered), "ldconfig"]
    if early:
        lines.append(shlex.join(["dpkg", "--force-depends", "--configure", *early]))
    lines += [*_unpack(unpacking), "dpkg --configure --pending"]
    if registered:
        told = [word for name, stem in registered for word in (name, f"/var/lib/dpkg/info/{stem}.templates")]
        lines.append(shlex.join(["perl", "-MDebconf::Db", "-MDebconf::Template", "-e", _REGISTER, *told]))
    lines.append("dpkg --triggers-only --pending")
    lines += [shlex.join(["mv", "--", path + _ASIDE, path]) for path in (*covered, *unpacking.covered)]
    return "\n".join([*lines, *settle]) + "\n"


def _unpack(unpacking: Unpacking) -> list[str]:
    if not unpacking.unpack:
        return []
    unpack = shlex.join(["dpkg", "--force-depends", "--unpack", *unpacking.unpack])
    return [unpack, *map(_cover, unpacking.covered)]


def _cover(path: str) -> str:
    """Put a stand-in in the place of a file; the path comes from a package, so it is quoted."""
    moved = shlex.join(["mv", "--", path, path + _ASIDE])
    return f"{moved}\n{shlex.join(['cp', '-p', '--', COVERS + path, path])}"


def _run_preinst(preinst: Preinst) -> str:
    variables: Mapping[str, str] = {
        "DPKG_MAINTSCRIPT_NAME": "preinst",
        "DPKG_MAINTSCRIPT_PACKAGE": preinst.package,
        "DPKG_MAINTSCRIPT_PACKAGE_REFCOUNT": "1",
        "DPKG_MAINTSCRIPT_ARCH": preinst.architecture,
        "DPKG_MAINTSCRIPT_DEBUG": "0",
        "DPKG_ADMINDIR": "/var/lib/dpkg",
        "DPKG_ROOT": "",
        "PERL_DL_NONLAZY": "1",
    }
    settings = (f"{name}={value}" for name, value in variables.items())
    command = shlex.join(["env", *settings, f"{_UNPACKING}/preinst", "install"])
    failed = f"dpkg: error processing package {preinst.package} (preinst):\n its preinst ended with exit code"
    return (
        f"echo {shlex.quote(f'envforge: preinst of {preinst.package} ...')}\n{_lay_members(preinst)}\n"
        f'{command} || {{ echo {shlex.quote(failed)} "$?"; exit 1; }}\nrm -r {_UNPACKING}'
    )


def _lay_members(preinst: Preinst) -> str:
    """Lay a preinst where dpkg would have it: debconf finds the package's name and questions beside it."""
    stem = shlex.quote(preinst.path.removesuffix("preinst"))
    return (
        f"mkdir -p {_UNPACKING}\n"
        f"echo 'Package: {preinst.package}' >{_UNPACKING}/control\n"
        "for member in preinst config templates; do\n"
        f"  if [ -e {stem}$member ]; then cp -p {stem}$member {_UNPACKING}/$member; fi\n"
        "done"
    )
