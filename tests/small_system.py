"""A system of the tests' own that can really be built: dpkg and a shell of the host's, packages with scripts.

archive = Archive(path)
add_system(archive)
archive.add("one", data=[…], members={"postinst": "#!/bin/sh\\n…"})
archive.publish()
with web.serving(path) as server:
    project = new_project(directory, server.url, ["one"])
    project.succeed("build")
"""

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import debs
from commandline import CommandLine
from small_archive import Archive, host_files, libraries_of, public_key

from envforge.store import listing
from envforge.store.listing import Entry
from envforge.store.merge import merged

_PROGRAMS = [
    "sh",
    "dpkg",
    "dpkg-deb",
    "dpkg-query",
    "dpkg-divert",
    "dpkg-split",
    "dpkg-trigger",
    "dpkg-statoverride",
    "ldconfig",
    "env",
    "mkdir",
    "cp",
    "rm",
    "rmdir",
    "mv",
    "ln",
    "ls",
    "cat",
    "chmod",
    "chown",
    "touch",
    "echo",
    "head",
    "run-parts",
    "tar",
    "find",
    "sed",
    "grep",
    "id",
    "stat",
    "readlink",
    "sleep",
    "diff",
    "sync",
    "dirname",
    "basename",
]
_DIRECTORIES = [
    "etc",
    "root",
    "var",
    "var/lib",
    "var/lib/dpkg",
    "usr",
    "tmp",
    "run",
    "dev",
    "proc",
    "sys",
    "usr/bin",
    "usr/sbin",
]
_PASSWD = b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/usr/sbin/nologin\n"
_GROUP = b"root:x:0:\nnogroup:x:65534:\n"


def add_system(archive: Archive, suite: str = "bookworm") -> None:
    """Add an essential package with what scripts need, and apt for the tool tree."""
    archive.add_tools(suite)
    archive.drop("dpkg", suite=suite)
    where = [shutil.which(name, path="/usr/sbin:/usr/bin:/sbin:/bin") for name in _PROGRAMS]
    found = [os.path.realpath(path) if path.endswith("/sh") else path for path in where if path]
    libraries = libraries_of(*found)
    tables = [str(path) for path in Path("/usr/share/dpkg").glob("*table")]
    archive.add(
        "dpkg",
        suite=suite,
        architecture="amd64",
        essential="yes",
        priority="required",
        data=[
            *(debs.member(f"./{name}") for name in _DIRECTORIES),
            *host_files(*sorted({_usr(path) for path in (*found, *libraries)}), *tables),
            debs.symlink("./usr/bin/sh", os.path.basename(os.path.realpath("/bin/sh"))),
            debs.member("./etc/passwd", _PASSWD),
            debs.member("./etc/group", _GROUP),
        ],
        members={"postinst": "#!/bin/sh\nexit 0\n"},
    )


def _usr(path: str) -> str:
    return path if path.startswith("/usr/") else f"/usr{path}"


def script(text: str) -> str:
    """Return a maintainer script that ends where a command fails."""
    return f"#!/bin/sh\nset -e\n{text}\n"


def new_project(
    directory: Path, url: str, packages: Sequence[str], *, suite: str = "bookworm", store: Path | None = None
) -> CommandLine:
    """Return a command line in a project that takes these packages from the archive at `url`."""
    line = CommandLine(directory / "project", store or directory / "store", directory / "home")
    configuration = line.home / ".config" / "envforge"
    configuration.mkdir(parents=True, exist_ok=True)
    line.directory.mkdir(parents=True, exist_ok=True)
    (directory / "key.pgp").write_bytes(public_key())
    (configuration / "config.toml").write_text(
        f'snapshot = ""\n[mirrors]\ndebian = ["{url}"]\n[keys]\ndebian = "{directory}/key.pgp"\n'
    )
    names = ", ".join(f'"{name}"' for name in packages)
    (line.directory / "envforge.toml").write_text(
        f'name = "small"\n\n[debian]\nsuite = "{suite}"\npackages = [{names}]\npockets = []\n'
    )
    return line


def built(line: CommandLine, *arguments: str) -> dict[str, object]:
    """Build the project and return what `build --json` says."""
    return json.loads(line.succeed("build", "--json", *arguments))


def layer_entries(line: CommandLine, result: Mapping[str, object], name: str) -> dict[bytes, Entry]:
    """Return the entries of one layer of a built environment, by path."""
    (digest,) = [one["digest"] for one in result["layers"] if one["name"] == name]
    (path,) = line.store.glob(f"layers/*/{digest.removeprefix('sha256:')}/listing")
    return {entry.path: entry for entry in listing.load(path.read_bytes())}


def shown(line: CommandLine, result: Mapping[str, object]) -> dict[bytes, Entry]:
    """Return what the environment shows, from its listings."""
    names = [one["name"] for one in result["layers"]]
    return merged([layer_entries(line, result, name).values() for name in names])
