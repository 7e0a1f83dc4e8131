"""What a guest needs to run envforge and its tests: the installed packages (it has no network)."""

import compileall
import importlib.metadata
import os
import re
import shutil
import sys
from py_compile import PycInvalidationMode

import envforge

DIST_PACKAGES = f"/usr/local/lib/python{sys.version_info[0]}.{sys.version_info[1]}/dist-packages"
"""Where Debian's python3 looks by itself."""
INSTALL = f"mkdir -p {DIST_PACKAGES} && cp -a site/. {DIST_PACKAGES}/ && cp -a bin/. /usr/local/bin/ && "
"""The first words of a script in a guest that was given `site` and `bin`."""
_PROJECT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TESTS = {"tests": f"{_PROJECT}/tests", "pyproject.toml": f"{_PROJECT}/pyproject.toml"}
"""Files of a guest that runs tests."""
USERS = """
useradd --create-home -K SUB_UID_COUNT=0 -K SUB_GID_COUNT=0 single
touch /etc/subuid /etc/subgid
useradd --create-home -K SUB_UID_COUNT=0 -K SUB_GID_COUNT=0 ranges
usermod --add-subuids 200000-265535 --add-subgids 200000-265535 ranges
"""
"""Makes two plain users: with a single id, and with subordinate ones."""
_ROOTS = ("envforge", "pytest", "hypothesis")
_REQUIREMENT = re.compile(r"^([A-Za-z0-9._-]+)\s*([^;]*)(?:;\s*(.*))?$")


def make_payload(directory: str) -> dict[str, str]:
    """Make the directories `site` and `bin` and return them as files for a guest."""
    site, programs = f"{directory}/site", f"{directory}/bin"
    os.makedirs(site)
    os.makedirs(programs)
    for name in sorted(_closure(_ROOTS)):
        _copy_distribution(importlib.metadata.distribution(name), site)
    package = os.path.dirname(envforge.__file__)
    shutil.copytree(
        package, f"{site}/envforge", dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__", "*.pyc")
    )
    # Compiled here: no plain user of the guest could keep it, and there it takes longer than all the rest.
    compileall.compile_dir(site, quiet=2, invalidation_mode=PycInvalidationMode.UNCHECKED_HASH)
    with open(f"{programs}/envforge", "w", encoding="ascii") as file:
        file.write("#!/usr/bin/python3\nfrom envforge.hot import main\nraise SystemExit(main())\n")
    os.chmod(f"{programs}/envforge", 0o755)
    shutil.copy(shutil.which("busybox") or "/bin/busybox", f"{programs}/busybox")
    return {"site": site, "bin": programs}


def _closure(roots: tuple[str, ...]) -> set[str]:
    """Return the names of the distributions that the roots need, extras left out."""
    found: set[str] = set()
    pending = list(roots)
    while pending:
        name = pending.pop()
        try:
            distribution = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue  # a requirement of another platform or Python
        if name not in found:
            found.add(name)
            pending += [_name(item) for item in distribution.requires or () if "extra ==" not in item]
    return found


def _name(requirement: str) -> str:
    found = _REQUIREMENT.match(requirement.replace("[", " ["))
    if found is None:
        raise AssertionError(f"no requirement: {requirement}")
    return found[1]


def _copy_distribution(distribution: importlib.metadata.Distribution, site: str) -> None:
    for file in distribution.files or ():
        source = str(distribution.locate_file(file))
        if file.parts[0] == ".." or file.suffix == ".pyc" or not os.path.exists(source):
            continue
        os.makedirs(os.path.dirname(f"{site}/{file}"), exist_ok=True)
        shutil.copy2(source, f"{site}/{file}")
