"""Only the modules named here open files by path; for each is said why no foreign link can lead it astray.

Whatever else wants something of a package's tree, a farm, a layer or an upper directory goes through
`kernel.tree.Tree`. A module that starts to open paths fails here until somebody has thought about it.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import envforge

TOP = Path(envforge.__file__).parent
LOOKED_AT = ("archives", "build", "sources", "store", "transfer", "upkeep/fsck")
"""Whoever is handed a tree. All others know of layers what a confined call tells them."""

OWN = "names of our own in directories of our own"
ALLOWED = {
    "sources/debian/quirks/bytecode.py": "reads a file of the program itself",
    "sources/debian/configure/run.py": "makes directories in its empty place, before a script runs",
    "sources/debian/layers/decoder.py": f"the store's tools: {OWN}",
    "sources/debian/layers/farm.py": "a tree from listings in an empty directory, confined",
    "sources/debian/configure/cleaning/keys.py": "the place that Tree.walk gives, good for just that file",
    "sources/files/layer.py": "the target is empty, links are resolved by the listings, confined",
    "sources/debian/layers/jobs.py": "makes its empty directory",
    "sources/debian/configure/cleaning/normalize.py": "the place that Tree.walk gives",
    "sources/debian/layers/obtain.py": f"facts and trees by their SHA-256: {OWN}",
    "build/cache/directory.py": "the user's own choice; regular files only, copied before they are read",
    "build/cache/pack.py": "makes its archive in its empty place, confined",
    "build/cache/unpack.py": "an empty directory whose every parent it has made itself, confined",
    "build/parents.py": "directories that its caller has just made in an empty tree, confined",
    "sources/files/read.py": "the project, beneath its directory by openat2; regular files only",
    "sources/debian/quirks/py_compile_stand_in.py": "runs inside, among the scripts",
    "build/script_log.py": "the user's own state directory, in the process that decides",
    "build/site.py": f"asks whether a directory of the store is a link: {OWN}",
    "sources/debian/layers/database.py": "fills an empty directory, confined",
    "sources/debian/configure/cleaning/uncover.py": "lists the scaffold, which we made",
    "sources/debian/configure/unpacking.py": "layers of its own making; a second copy of a file, confined",
    "build/workers.py": "a directory for each job",
    "transfer/connections.py": "file: addresses that the user's own configuration names",
    "sources/debian/dpkg/database.py": "fills an empty scaffold or layer; names are Policy's, confined",
    "sources/debian/indexes/hostapt.py": "the host's own apt settings",
    "sources/debian/indexes/packages.py": f"blobs and tables by their SHA-256: {OWN}",
    "sources/debian/indexes/signature.py": "keys of the program and of the user's configuration",
    "sources/debian/quirks/standins.py": "reads files of the program itself",
    "sources/debian/resolve/tooltree.py": "an empty directory, confined",
    "sources/debian/deb/tree.py": "an empty directory whose every parent it has made itself, confined",
    "sources/debian/deb/unpack.py": "as tree.py, beside it",
    "sources/debian/resolve/workspace.py": f"lists and wishes for apt: {OWN}",
    "archives/xz.py": "looks for a library among the store's tools, confined",
    "transfer/network.py": "certificates that the host's environment names",
    "store/blobs.py": f"blobs by their SHA-256: {OWN}",
    "store/durability.py": f"marks: {OWN}",
    "store/holds.py": OWN,
    "store/layers.py": f"layers by their digest: {OWN}; what is staged is listed in its place",
    "store/layout.py": OWN,
    "store/locks.py": OWN,
    "store/records.py": OWN,
    "store/scan.py": "walks real directories, opens regular files only, follows no link, confined",
    "store/sealing.py": "asks its own staging directory; files are opened by Tree, times set by descriptor",
    "sources/fetch/bring.py": "a blob, and a file of the project that was opened beneath its directory",
    "sources/fetch/layer.py": "makes directories in its empty place, confined",
    "sources/fetch/unpack.py": "a descriptor, confined",
    "sources/fetch/writer.py": "an empty directory whose every parent it has made itself, confined",
    "sources/project_files.py": "opens again what was opened beneath the project; tells where a link leads",
    "store/partial.py": OWN,
    "upkeep/fsck/aside.py": f"renames what a check named: {OWN}; a project's spec and lock, by their SHA-256",
    "upkeep/fsck/check.py": f"lists trees, layers and blobs by name: {OWN}",
    "upkeep/fsck/documents.py": OWN,
    "upkeep/fsck/loose.py": OWN,
    "upkeep/fsck/remake.py": f"asks what the store has by name: {OWN}",
    "upkeep/fsck/trees.py": "walks real directories, opens regular files only, follows no link, confined",
    "store/staging.py": f"reserved directories: {OWN}; removing follows no link",
}

_FUNCTIONS = {
    "os": {
        "access", "chmod", "chown", "getxattr", "lchown", "link", "listdir", "listxattr", "lstat", "makedirs",
        "mkdir", "mknod", "open", "readlink", "remove", "removexattr", "rename", "replace", "rmdir",
        "scandir", "setxattr", "stat", "symlink", "truncate", "unlink", "utime", "walk",
    },
    "path": {"exists", "getsize", "isdir", "isfile", "islink", "lexists", "realpath", "getmtime"},
    "shutil": {"copy", "copy2", "copyfile", "copytree", "move", "rmtree"},
    "glob": {"glob", "iglob"},
}  # fmt: skip


def calls(source: str) -> Iterator[tuple[int, str]]:
    """Yield line and name of every call that takes a path to the file system."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        function = node.func
        if isinstance(function, ast.Name) and function.id == "open":
            yield node.lineno, "open"
        elif isinstance(function, ast.Attribute):
            owner = function.value
            name = owner.id if isinstance(owner, ast.Name) else getattr(owner, "attr", "")
            if function.attr in _FUNCTIONS.get(name, ()):
                yield node.lineno, f"{name}.{function.attr}"


def found() -> dict[str, list[tuple[int, str]]]:
    """Return the modules that open paths, with where they do."""
    modules = {}
    for folder in LOOKED_AT:
        for path in sorted((TOP / folder).rglob("*.py")):
            uses = list(calls(path.read_text()))
            if uses:
                modules[str(path.relative_to(TOP))] = uses
    return modules


def test_no_other_module_opens_paths() -> None:
    unknown = {module: uses for module, uses in found().items() if module not in ALLOWED}
    assert not unknown, "go through kernel.tree.Tree, or say in this test why no link can lead there"


def test_the_table_names_only_what_is_there() -> None:
    assert not sorted(ALLOWED.keys() - found().keys())


def test_calls_are_found() -> None:
    source = "import os\nopen('a')\nos.open('b', 0)\nos.path.isfile('c')\nos.getpid()\n"
    assert [name for _, name in calls(source)] == ["open", "os.open", "path.isfile"]
