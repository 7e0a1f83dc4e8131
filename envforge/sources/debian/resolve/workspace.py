"""apt's workspace: verified Packages files under the names that apt looks for, and its binary cache of them.

    tools/lists-<key>/
      sources.list
      lists/a<n>_dists_s_c<m>_binary-<architecture>_Packages    hard links of blobs
      lists/a<n>_dists_s_Release                                the few fields that decide priorities
      cache/srcpkgcache.bin                                     apt's own, made once: 0.3 s instead of 1.2

`<key>` hashes everything that goes in, so a workspace never changes, and any number of resolvers share it.
Addresses, suites and components have placeholder names: apt never learns the real ones and fetches nothing.
"""

import os
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Final

from attrs import frozen

from envforge.digest import digest_of
from envforge.sandbox.confined.in_tree import run_in_tree
from envforge.sandbox.ids.identity import detect
from envforge.sandbox.ids.worker import call_in_namespace
from envforge.sources.debian.indexes.index import SuiteIndex
from envforge.store import locks
from envforge.store.durability import reaching_disk
from envforge.store.layout import Store
from envforge.store.staging import staging

_FORMAT: Final = 1
_LISTS_AT: Final = "/run/lists"
_WISH_AT: Final = "/run/wish"
_RELEASE_FIELDS: Final = (
    "Origin",
    "Label",
    "Suite",
    "Codename",
    "Version",
    "NotAutomatic",
    "ButAutomaticUpgrades",
)
_SETTINGS: Final = f"""\
Dir "/";
Dir::State "{_WISH_AT}";
Dir::State::status "{_WISH_AT}/status";
Dir::State::extended_states "{_WISH_AT}/extended_states";
Dir::State::lists "{_LISTS_AT}/lists";
Dir::Cache "{_LISTS_AT}/cache";
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "srcpkgcache.bin";
Dir::Etc::main "/dev/null";
Dir::Etc::parts "/dev/null";
Dir::Etc::sourcelist "{_LISTS_AT}/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferences "{_WISH_AT}/preferences";
Dir::Etc::preferencesparts "/dev/null";
Dir::Log "/tmp";
APT::Sandbox::User "root";
APT::Solver "internal";
APT::Get::Assume-Yes "true";
APT::Get::allow-downgrades "true";
APT::Get::AutomaticRemove "true";
APT::AutoRemove::SuggestsImportant "false";
APT::Install-Suggests "false";
Acquire::Languages "none";
Debug::NoLocking "true";
"""


@frozen
class Workspace:
    """Tools and lists, ready to resolve with."""

    store: Store
    tools: str
    """Root of the tool tree."""
    lists: str
    """Directory of the lists."""
    architecture: str
    suites: tuple[SuiteIndex, ...]


def ensure(store: Store, tools: str, suites: Sequence[SuiteIndex], architecture: str) -> Workspace:
    """Return the workspace of these suites, made if the store does not have it."""
    releases = [_release_text(suite, architecture) for suite in suites]
    key = digest_of(
        {
            "format": _FORMAT,
            "tools": os.path.basename(tools),
            "architecture": architecture,
            "suites": [
                {"release": text, "packages": [file.index.sha256 for file in suite.files]}
                for suite, text in zip(suites, releases, strict=True)
            ],
        }
    )
    final = Workspace(store, tools, f"{store.path}/tools/lists-{key}", architecture, tuple(suites))
    if not _is_whole(final):
        with reaching_disk(store), staging(store, "lists") as directory:
            made = Workspace(store, tools, f"{directory}/lists", architecture, tuple(suites))
            _fill(made, releases)
            run(made, {}, ["apt-cache", "gencaches"], writable=True)
            _publish(made.lists, final.lists)
        sweep(store)
    for path in (tools, final.lists):
        os.utime(path)
    return final


def sweep(store: Store, *, unused_s: float = locks.UNUSED_S) -> None:
    """Move tool trees and lists to the trash that nobody has resolved with for `unused_s` seconds."""
    before_s = time.time() - unused_s
    for entry in os.scandir(f"{store.path}/tools"):
        with suppress(FileNotFoundError):  # another process sweeps as well
            is_old = entry.stat(follow_symlinks=False).st_mtime < before_s
            if is_old and entry.name.startswith(("apt-", "lists-")):
                os.rename(entry.path, store.new_trash())


def _is_whole(workspace: Workspace) -> bool:
    """Return whether the lists are there; move those to the trash whose index was fetched again since."""
    if not os.path.isdir(workspace.lists):
        return False
    if all(os.path.samefile(source, target) for source, target in _linked(workspace)):
        return True
    os.rename(workspace.lists, workspace.store.new_trash())
    return False


def run(
    workspace: Workspace, files: Mapping[str, str], command: Sequence[str], *, writable: bool = False
) -> tuple[int, str]:
    """Run one of apt's programs over the workspace; return its exit code and its output.

    `files` are texts of apt's state, `status`, `extended_states` and `preferences`, and of further settings,
    `apt.conf`.
    """
    settings = f'{_SETTINGS}APT::Architecture "{workspace.architecture}";\n'
    settings += f'APT::Architectures {{ "{workspace.architecture}"; }};\n'
    with staging(workspace.store, "wish") as directory:
        for name in ("status", "extended_states", "preferences"):
            _write(f"{directory}/{name}", files.get(name, ""))
        _write(f"{directory}/apt.conf", settings + files.get("apt.conf", ""))
        output = os.memfd_create("apt")
        try:
            code = call_in_namespace(
                detect(prefer="flat"), _run_inside, workspace, directory, list(command), output, writable
            )
            os.lseek(output, 0, os.SEEK_SET)
            with open(output, encoding="utf-8", errors="replace", closefd=False) as file:
                return code, file.read()
        finally:
            os.close(output)


def _run_inside(workspace: Workspace, wish: str, command: list[str], output: int, writable: bool) -> int:  # noqa: FBT001 - passed through a fork
    return run_in_tree(
        lowers=[workspace.tools],
        upper=None,
        work=None,
        command=command,
        environment={
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "LC_ALL": "C.UTF-8",
            "COLUMNS": "200",
            "APT_CONFIG": f"{_WISH_AT}/apt.conf",
        },
        output=output,
        binds=[(workspace.lists, _LISTS_AT, not writable), (wish, _WISH_AT, False)],
    )


def _fill(workspace: Workspace, releases: Sequence[str]) -> None:
    for name in ("lists/partial", "cache"):
        os.makedirs(f"{workspace.lists}/{name}")
    lines = []
    for number, (suite, text) in enumerate(zip(workspace.suites, releases, strict=True)):
        components = [f"c{place}" for place in range(len(suite.files))]
        lines.append(f"deb [trusted=yes] http://a{number}/ s {' '.join(components)}\n")
        _write(f"{workspace.lists}/lists/a{number}_dists_s_Release", text)
    for source, target in _linked(workspace):
        _link(source, target)
    _write(f"{workspace.lists}/sources.list", "".join(lines))


def _linked(workspace: Workspace) -> Iterator[tuple[str, str]]:
    """Yield the path of each Packages file and the path at which apt looks for it."""
    for number, suite in enumerate(workspace.suites):
        for place, file in enumerate(suite.files):
            name = f"a{number}_dists_s_c{place}_binary-{workspace.architecture}_Packages"
            yield file.index.path, f"{workspace.lists}/lists/{name}"


def _release_text(suite: SuiteIndex, architecture: str) -> str:
    fields = suite.release.fields
    kept = [f"{name}: {fields[name]}\n" for name in _RELEASE_FIELDS if name in fields]
    components = " ".join(f"c{place}" for place in range(len(suite.files)))
    return "".join(kept) + f"Architectures: {architecture}\nComponents: {components}\n"


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def _publish(made: str, final: str) -> None:
    try:
        os.rename(made, final)
    except OSError:
        if not os.path.isdir(final):
            raise  # else another process was quicker, with the same lists
