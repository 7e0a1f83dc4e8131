"""The file tree: a table whose lines are the visible nodes of a `FileTree`."""

from typing import ClassVar

from textual.binding import Binding, BindingType

from envforge.tui.core import layers
from envforge.tui.core.files import FileTree, Node
from envforge.tui.core.grid import Column, Grid, Row
from envforge.tui.widgets.table import Table


class FileTreeView(Table):
    """Unfolds with right and enter, folds with left."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("right,l", "fold(True)", "Unfold", show=False, id="tree.unfold"),
        Binding("left,h", "fold(False)", "Fold", show=False, id="tree.fold"),
        Binding("space", "turn", "Unfold or fold", show=False, id="tree.toggle"),
    ]

    def __init__(self, *, id: str) -> None:  # noqa: A002 (Textual's name)
        super().__init__(Grid(layers.FILE_COLUMNS), id=id, marks=False)
        self.tree_state = FileTree()
        self.owners: dict[str, str] = {}
        """Packages by path, where they are known."""
        self._most: dict[str, int] = {}

    def show(self, root: Node) -> None:
        """Show another tree."""
        self._most.clear()
        self.tree_state.fill(root)
        self.changed()

    def narrow(self, text: str) -> None:
        """Show what has the words in its path."""
        self.tree_state.narrow(text)
        self.changed()

    def count(self) -> int:
        """Return how many nodes are visible."""
        return len(self.tree_state.shown())

    def line(self, index: int) -> Row:
        """Return the line of a node."""
        node, depth = self.tree_state.shown()[index]
        return layers.file_row(
            node,
            depth,
            unfolded=bool(self.tree_state.filter) or node.path in self.tree_state.unfolded,
            most=self._largest(node.parent),
            package=self.owners.get(node.path, ""),
        )

    def _largest(self, parent: Node | None) -> int:
        if parent is None:
            return 0
        if parent.path not in self._most:
            self._most[parent.path] = max((one.size for one in parent.children.values()), default=0)
        return self._most[parent.path]

    def cursor_index(self) -> int:
        """Return the line that the cursor is on."""
        return self.tree_state.index()

    def put_cursor(self, index: int) -> None:
        """Move the cursor."""
        self.tree_state.move(index)

    def columns(self) -> tuple[Column, ...]:
        """Return the columns."""
        return layers.FILE_COLUMNS

    def widest(self, column: int) -> int:
        """Return no more than the column's own width: paths take what is left."""
        return layers.FILE_COLUMNS[column].width

    def action_fold(self, open_: bool) -> None:  # noqa: FBT001 (bindings pass it)
        """Unfold or fold."""
        self.tree_state.fold(open_=open_)
        self.changed()

    def action_turn(self) -> None:
        """Unfold what is folded, and the other way round."""
        self.tree_state.fold()
        self.changed()

    def action_sort(self) -> None:
        """Stay as it is: a tree is in the order of names."""

    def action_open(self) -> None:
        """Unfold a directory; a file is opened."""
        node = self.tree_state.node()
        if node is not None and node.children:
            self.action_turn()
        else:
            super().action_open()
