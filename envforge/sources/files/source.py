"""The project's own files as a source."""

from typing import TYPE_CHECKING

from envforge.sources.files.placed import Placed
from envforge.values import frozen

if TYPE_CHECKING:
    from envforge.build.site import ProjectFiles, Site
    from envforge.build.task import Work
    from envforge.progress import Progress
    from envforge.spec.model import Spec


@frozen
class Files:
    """`[[files]]`, an `interface.Local`."""

    name: str = "files"

    def watched(self, spec: "Spec", directory: str) -> tuple[str, ...]:
        """Return the sources and all paths below them."""
        if not spec.files:
            return ()
        from envforge.sources.files import read  # noqa: PLC0415 - only for specs with files

        return read.sources(directory, spec.files)

    def read(self, spec: "Spec", project: "ProjectFiles") -> "tuple[Placed, ...] | None":
        """Return the files, links and directories."""
        if not spec.files:
            return None
        from envforge.sources.files import read  # noqa: PLC0415 - only for specs with files

        return read.read_files(project, spec.files)

    def work(self, site: "Site", content: tuple[Placed, ...], progress: "Progress") -> "Work":  # noqa: ARG002
        """Return the `Work` that plans the task of making the layer."""
        from envforge.sources.files.layer import FilesWork  # noqa: PLC0415 - only for specs with files

        return FilesWork(site, content)
