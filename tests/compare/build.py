"""The two trees of one set: mmdebstrap's, and envforge's own, mounted.

Everything happens in a mount namespace of the process (see `__main__`), so that nothing stays mounted.
"""

import json
import os
import shutil
import socket
import subprocess
import sysconfig

from tests import mirror

_ENVFORGE = f"{sysconfig.get_path('scripts')}/envforge"
_HOST_NAME = "localhost"


class BuildFailedError(Exception):
    """One of the tools failed; the message holds the end of what it said."""


def rename_host(directory: str) -> None:
    """Give the host the name that builds see, for this process only: packages write it into their files."""
    socket.sethostname(_HOST_NAME)
    with open(f"{directory}/hostname", "w", encoding="ascii") as file:
        file.write(f"{_HOST_NAME}\n")
    if os.path.exists("/etc/hostname"):
        _run(["mount", "--bind", f"{directory}/hostname", "/etc/hostname"])


def build_theirs(suite: str, packages: tuple[str, ...], target: str) -> None:
    """Make the tree by mmdebstrap."""
    shutil.rmtree(target, ignore_errors=True)
    options = ["--mode=root", *mirror.minimal_options(suite)]
    options += [f"--aptopt={option}" for option in mirror.apt_options()]
    if packages:
        # apt's choice among alternatives depends on the order of the names, and a lock sorts them.
        options.append(f"--include={','.join(sorted(packages))}")
    _run(["mmdebstrap", "--quiet", *options, suite, target, "-"], stdin=mirror.sources(suite))


def build_ours(suite: str, packages: tuple[str, ...], directory: str) -> str:
    """Build the environment in a store under `directory`, mount its layers, and return the mounted tree."""
    project, store = f"{directory}/project", f"{directory}/store"
    os.makedirs(project, exist_ok=True)
    names = ", ".join(f'"{name}"' for name in packages)
    with open(f"{project}/envforge.toml", "w", encoding="utf-8") as file:
        file.write(f'name = "compare"\n\n[debian]\nsuite = "{suite}"\npackages = [{names}]\n')
    if os.path.exists(f"{project}/envforge.lock"):
        os.remove(f"{project}/envforge.lock")
    output = _run([_ENVFORGE, "--store", store, "build", "--json"], directory=project, home=directory)
    digests = [layer["digest"].removeprefix("sha256:") for layer in json.loads(output)["layers"]]
    return _mount([f"{store}/layers/true/{digest}/root" for digest in digests], f"{directory}/merged")


def _mount(layers: list[str], target: str) -> str:
    """Mount the layers, top first, read-only."""
    os.makedirs(target, exist_ok=True)
    if os.path.ismount(target):
        _run(["umount", target])
    if len(layers) == 1:
        _run(["mount", "--bind", layers[0], target])
    else:
        _run(["mount", "-t", "overlay", "-o", f"ro,userxattr,lowerdir={':'.join(layers)}", "overlay", target])
    return target


def _run(command: list[str], *, stdin: str = "", directory: str = "/", home: str = "") -> str:
    environment = os.environ | ({"HOME": home} if home else {})
    result = subprocess.run(
        command, input=stdin, cwd=directory, env=environment, capture_output=True, text=True, check=False
    )
    if result.returncode:
        raise BuildFailedError(
            f"`{' '.join(command)}` gave {result.returncode}: {result.stderr[-2000:].strip()}"
        )
    return result.stdout
