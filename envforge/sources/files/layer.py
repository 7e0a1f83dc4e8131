"""Makes the layer of `[[files]]`: the project's files, owned by root, the same bytes in any clone."""

import os
from collections.abc import Hashable, Iterator, Sequence
from typing import Any

from attrs import define, field

from envforge.build.built import Built
from envforge.build.layer import Made, find
from envforge.build.parents import make_parents, owners_of, shown_of
from envforge.build.recipe import recipe
from envforge.build.site import Site
from envforge.build.task import Kind, Task, layer_task
from envforge.build.workers import Report
from envforge.errors import SpecError
from envforge.sources.files.placed import Placed
from envforge.store import layers
from envforge.store.listing import DIRECTORY_MTIME, Entry
from envforge.store.merge import resolve
from envforge.store.scan import scan


@define
class FilesWork:
    """A `build.task.Work`: one layer, which can be made once all layers below are."""

    site: Site
    files: Sequence[Placed]
    _made: Made | None = field(default=None, init=False)

    def begin(self) -> Iterator[Task]:
        """Yield nothing: links of layers below decide where a target is."""
        return iter(())

    def over(self, below: Sequence[Built]) -> Iterator[Task]:
        """Yield the layer, unless the store has it."""
        made = recipe(
            "files",
            "files",
            files=[[one.target, one.type, f"{one.mode:04o}", one.sha256] for one in self.files],
            lower=[layer.key for layer in below],
        )
        self._made = None if self.site.anew else find(self.site, made)
        if self._made is None:
            yield layer_task(self.site, made, Kind.PLACE, _stage, (self.site, self.files, below))

    def done(self, _tag: Hashable, value: Made) -> Iterator[Task]:
        """Take the layer."""
        self._made = value
        return iter(())

    def layers(self) -> tuple[Made, ...] | None:
        """Return the layer once it is made."""
        return None if self._made is None else (self._made,)


def _stage(
    _report: Report, place: str, site: Site, files: Sequence[Placed], below: Sequence[Built]
) -> dict[str, Any]:
    """Stage the layer at `place/layer`."""
    root = f"{place}/layer/root"
    os.makedirs(root, 0o755)
    shown = shown_of(site, below)
    for one in files:
        target = resolve(shown, os.fsencode(one.target))
        try:
            make_parents(root, target, shown, chown=site.held != "flat")
            _write(os.fsencode(root) + target, one, chown=site.held != "flat")
        except OSError as error:
            raise SpecError(
                f"[[files]] target {one.target!r}: {os.fsdecode(target)} cannot be made: {error.strerror}",
                hint="do two entries lead to the same place, or one through a file of another?",
            ) from error
        if one.type != "d" or target not in shown:
            content = one.content if one.type == "l" else b""
            shown[target] = Entry(target, one.type, one.mode, content=content)  # targets may lie below links
    _settle(root)
    owners = None if site.held != "flat" else owners_of(shown)
    return layers.stage(f"{place}/layer", scan(root, owners))


def _write(path: bytes, one: Placed, *, chown: bool) -> None:
    """Make one file, link or directory; it is root's, even in a directory with the set-group-id bit."""
    if one.type == "d":
        if os.path.isdir(path):
            return
        os.mkdir(path, 0o755)
        os.chmod(path, 0o755)  # noqa: S103 - as every directory of a package
    elif one.type == "l":
        os.symlink(one.content, path)
    else:
        with open(path, "xb") as file:
            file.write(one.content)
    if chown:
        os.chown(path, 0, 0, follow_symlinks=False)
    if one.type == "f":
        os.chmod(path, one.mode)


def _settle(root: str) -> None:
    for directory, _, names in os.walk(os.fsencode(root), topdown=False):
        for name in (*names, b""):
            path = os.path.join(directory, name) if name else directory
            os.utime(path, (DIRECTORY_MTIME, DIRECTORY_MTIME), follow_symlinks=False)
