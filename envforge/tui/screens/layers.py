"""Layers: what an environment is stacked of, the files of each layer, and what a file says."""

from functools import partial
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll

from envforge.errors import EnvforgeError
from envforge.tui import looking
from envforge.tui.core import layers as shown
from envforge.tui.core.files import REMOVED, Node, merge
from envforge.tui.core.grid import Cell
from envforge.tui.core.words import count, short
from envforge.tui.screens.actions import SubjectFace
from envforge.tui.widgets.dialogs import Prose
from envforge.tui.widgets.file_tree import FileTreeView
from envforge.tui.widgets.styles import titled
from envforge.tui.widgets.table import Table
from envforge.units import size_text

if TYPE_CHECKING:
    from envforge.api.browsing import Listed
    from envforge.api.building import Built
    from envforge.tui.core.commands import Subject

_LINES_MAX = 500
_REST_S = 0.12
_KEPT_LISTINGS = 32


class LayersScreen(SubjectFace):
    """Layers at the left, the file tree at the right, a file below it."""

    AUTO_FOCUS = "#layers"
    NAME: ClassVar[str] = "layers"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("t", "alone", "Own / all", id="layers.alone"),
        Binding("v", "view", "View", id="layers.view"),
        Binding("y", "copy", "Copy", id="layers.copy"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._shown: Subject | None = None
        self._layers: tuple[Built, ...] = ()
        self._listings: dict[str, tuple[Listed, ...]] = {}
        self._looked_at = ""

    def body(self) -> ComposeResult:
        """Compose the three panes."""
        table = Table(self.host.grid("layers", shown.COLUMNS), id="layers", marks=False)
        table.add_class("pane", "side")
        table.border_title = "Layers, top to bottom"
        yield table
        with Vertical(classes="main", id="files-side"):
            tree = FileTreeView(id="files")
            tree.add_class("pane")
            tree.border_title = "Files"
            yield tree
            with VerticalScroll(classes="pane scroll hidden", id="preview-pane"):
                yield Prose(id="preview")

    def show(self) -> None:
        """Load the layers of the chosen environment, where these are not shown."""
        if self.host.subject != self._shown:
            self.action_reload()

    def action_reload(self) -> None:
        """Load them anew."""
        subject = self.host.subject
        if subject is None or not subject.digest:
            name = subject.name if subject is not None else "the environment"
            self.empty([Cell(f"{name} is not built yet", "strong"), Cell("b builds it.", "dim")])
            return
        self._shown = subject
        self.empty(())
        digest, store = subject.digest, self.host.store

        def ask() -> "tuple[Built, ...]":
            from envforge.api import browsing  # noqa: PLC0415 - the first screen needs none of it

            return browsing.layers(store, digest)

        self.host.load("layers", "reading the layers", ask, self._loaded)

    def _loaded(self, layers: "tuple[Built, ...]") -> None:
        self._layers = layers
        self._looked_at = ""
        table = self.query_one("#layers", Table)
        table.fill(shown.rows(layers))
        total = size_text(sum(layer.size_bytes for layer in layers))
        self.say(f"{count(len(layers), 'layer')}, {total}")
        self._look(table.grid.cursor)

    def on_table_moved(self, event: Table.Moved) -> None:
        """Show the files of that layer, or the file under the cursor."""
        if event.table.id == "layers":
            self.host.at_rest("files", _REST_S, partial(self._look_if, event.key))
        elif not self.query_one("#preview-pane").has_class("hidden"):
            self.host.at_rest("preview", _REST_S, partial(self._preview_if, event.key))

    def _look_if(self, digest: str) -> None:
        if self.query_one("#layers", Table).grid.cursor == digest and digest != self._looked_at:
            self._look(digest)

    def _look(self, digest: str) -> None:
        place = next((at for at, layer in enumerate(self._layers) if layer.digest == digest), None)
        if place is None:
            return
        self._looked_at = digest
        alone, layers = self.host.memory.alone, self._layers
        tree = self.query_one(FileTreeView)
        which = "its own files" if alone else "with all beneath"
        tree.border_title = titled(f"{layers[place].name}: {which}")
        self.host.load(
            "files",
            "reading the listings",
            partial(self._merged, layers, place, alone=alone),
            self._show_files,
        )

    def _merged(self, layers: "tuple[Built, ...]", place: int, *, alone: bool) -> tuple[Node, str]:
        """Return the tree, and how much the layer changes. In a thread."""
        listings = [self._listing(layer.digest) if at >= place else () for at, layer in enumerate(layers)]
        root = merge(listings, place, alone=alone)  # type: ignore[arg-type]
        return root, shown.counts(root)

    def _listing(self, digest: str) -> "tuple[Listed, ...]":
        from envforge.api import browsing  # noqa: PLC0415 - as above

        known = self._listings.get(digest)
        if known is None:
            known = browsing.listed(self.host.store, digest)
            if len(self._listings) >= _KEPT_LISTINGS:
                self._listings.pop(next(iter(self._listings)), None)
            self._listings[digest] = known
        return known

    def _show_files(self, found: tuple[Node, str]) -> None:
        root, counts = found
        tree = self.query_one(FileTreeView)
        tree.border_subtitle = counts
        if self.host.memory.alone:
            tree.tree_state.root = root
            tree.tree_state.unfold_changes()
        tree.show(root)
        self.host.load("owners", "finding the packages", partial(self._owners, root), self._show_owners)

    def _owners(self, root: Node) -> dict[str, str]:
        """Return the package of each file; none where the project is gone. In a thread."""
        from envforge.api import browsing  # noqa: PLC0415 - as above

        subject, layers = self._shown, self._layers
        try:
            packages = looking.details(subject, self.host.store).packages if subject is not None else ()
        except EnvforgeError:
            return {}
        wanted = {node.path: layers[node.layer].name for node in root.walk() if not node.is_directory}
        return browsing.owners(self.host.store, layers, packages, wanted)

    def _show_owners(self, found: dict[str, str]) -> None:
        tree = self.query_one(FileTreeView)
        tree.owners = found
        tree.refresh()

    def on_table_opened(self, event: Table.Opened) -> None:
        """Go into the files of a layer; view a file."""
        if event.table.id == "layers":
            self.query_one(FileTreeView).focus()
        else:
            self.action_view()

    def action_alone(self) -> None:
        """Show what this layer has alone, or all layers down from it."""
        self.host.memory.alone = not self.host.memory.alone
        self._look(self.query_one("#layers", Table).grid.cursor)

    def action_view(self) -> None:
        """Show the beginning of the file under the cursor; again: hide it."""
        pane = self.query_one("#preview-pane")
        if pane.has_class("hidden"):
            pane.remove_class("hidden")
            self.add_class("-viewing")
            self._preview_if(self.query_one(FileTreeView).tree_state.cursor)
        else:
            pane.add_class("hidden")
            self.remove_class("-viewing")

    def _preview_if(self, path: str) -> None:
        node = self.query_one(FileTreeView).tree_state.node()
        if node is None or node.path != path:
            return
        pane = self.query_one("#preview-pane")
        pane.border_title = titled(node.path)
        if node.type != "f" or node.change == REMOVED:
            self.query_one("#preview", Prose).show(_of_node(node))
            return
        layer, store = self._layers[node.layer].digest, self.host.store

        def ask() -> bytes:
            from envforge.api import browsing  # noqa: PLC0415 - as above

            return browsing.preview(store, layer, path)

        self.host.load("preview", f"reading {node.name}", ask, partial(self._show_preview, node))

    def _show_preview(self, node: Node, data: bytes) -> None:
        self.query_one("#preview", Prose).show(preview_lines(node, data))
        self.query_one("#preview-pane").scroll_home(animate=False)

    def action_copy(self) -> None:
        """Copy the path of the file, or the digest of the layer."""
        focused = self.focused
        if isinstance(focused, FileTreeView):
            self.host.copy(focused.tree_state.cursor, "the path")
        else:
            self.host.copy(f"sha256:{self.query_one('#layers', Table).grid.cursor}", "the layer's digest")


def _of_node(node: Node) -> list[Cell]:
    if node.change == REMOVED:
        return [Cell("removed by this layer", "bad")]
    if node.type == "l":
        return [Cell(f"a link to {node.content}")]
    if node.is_directory:
        return [Cell(f"a directory, {size_text(node.size)} below it")]
    return [Cell("neither a file nor a directory")]


def preview_lines(node: Node, data: bytes) -> list[Cell]:
    """Return a file's beginning as lines: text as it is, bytes as a table of hex digits."""
    head = Cell(f"{size_text(node.size)}, mode {node.mode:o}, sha256 {short(node.content)}", "dim")
    if b"\0" in data[:4096]:
        return [head, Cell(""), *(Cell(line) for line in _hex(data[:1024]))]
    lines = data.decode(errors="replace").expandtabs().split("\n")[:_LINES_MAX]
    more = [Cell("…", "dim")] if node.size > sum(len(line) + 1 for line in lines) + 1 else []
    return [head, Cell(""), *map(Cell, lines), *more]


def _hex(data: bytes) -> list[str]:
    return [
        f"{at:08x}  {data[at : at + 16].hex(' '):<47}  "
        + "".join(chr(byte) if 32 <= byte < 127 else "." for byte in data[at : at + 16])
        for at in range(0, len(data), 16)
    ]
