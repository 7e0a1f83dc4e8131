"""The file tree of an environment's layers: merged, with what one layer does to those beneath it.

+  added      ~  changed      -  removed (a whiteout)      (nothing)  from a layer beneath
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from attrs import define, field

ADDED: Final = "+"
CHANGED: Final = "~"
REMOVED: Final = "-"
SAME: Final = ""
DIRECTORIES: Final = frozenset("do")


class Path(NamedTuple):
    """One line of a listing, as far as a tree shows it."""

    path: str
    type: str
    """As in a listing: d directory, o opaque directory, w whiteout, f file, l link, c b p s."""
    size: int
    mode: int
    content: str
    """The SHA-256 of a file, the target of a link."""


@define(eq=False)
class Node:
    """A file or a directory of the merged tree."""

    name: str
    path: str
    type: str = "d"
    size: int = 0
    """Bytes; of a directory: of all below it."""
    mode: int = 0o755
    content: str = ""
    change: str = SAME
    """What the layer that is looked at does here; of a directory: to anything below it, as far as agreed."""
    layer: int = -1
    """Which layer it comes from: an index into the layers that were merged."""
    parent: "Node | None" = field(default=None, repr=False)
    children: dict[str, "Node"] = field(factory=dict, repr=False)

    @property
    def is_directory(self) -> bool:
        """Return whether it can be unfolded."""
        return self.type in DIRECTORIES

    def walk(self) -> Iterator["Node"]:
        """Yield everything below, in order."""
        for child in self.sorted():
            yield child
            yield from child.walk()

    def sorted(self) -> list["Node"]:
        """Return the children: directories first, by name."""
        return sorted(self.children.values(), key=lambda node: (not node.is_directory, node.name))


def merge(layers: Sequence[Iterable[Path]], looked_at: int, *, alone: bool = False) -> Node:
    """Return the tree of the layers from the lowest up to `looked_at`; index 0 is the topmost.

    Each node's `change` is what the layer looked at does to those beneath. `alone` leaves only what it has.
    """
    root = Node("/", "/")
    nodes: dict[str, Node] = {"/": root}
    for place in range(len(layers) - 1, looked_at - 1, -1):
        is_top = place == looked_at
        for one in layers[place]:
            _lay(nodes, one, place, is_top=is_top)
    if alone:
        _prune(root)
    _sum(root)
    return root


def _lay(nodes: dict[str, Node], one: Path, place: int, *, is_top: bool) -> None:
    known = nodes.get(one.path)
    if one.type == "w":
        if known is not None:
            _remove(nodes, known, place, is_top=is_top)
        return
    if known is not None and one.type == "o":
        for child in list(known.children.values()):
            _remove(nodes, child, place, is_top=is_top)
    if known is None:
        known = _new(nodes, one.path)
        known.change = ADDED if is_top else SAME
    elif is_top:
        known.change = _difference(known, one)
    else:
        known.change = SAME
    if known.is_directory and one.type not in DIRECTORIES:
        for child in list(known.children.values()):
            _remove(nodes, child, place, is_top=is_top)
    known.type, known.size, known.mode, known.content, known.layer = (
        one.type,
        one.size,
        one.mode,
        one.content,
        place,
    )


def _difference(known: Node, one: Path) -> str:
    if known.change == REMOVED:
        return CHANGED
    if known.is_directory and one.type in DIRECTORIES:
        return SAME if known.mode == one.mode else CHANGED
    same = (known.type, known.mode, known.content) == (one.type, one.mode, one.content)
    return SAME if same else CHANGED


def _new(nodes: dict[str, Node], path: str) -> Node:
    above, _, name = path.rpartition("/")
    parent = nodes.get(above or "/")
    if parent is None:
        parent = _new(nodes, above)  # a listing names every directory; a damaged one may not
    node = Node(name, path, parent=parent)
    parent.children[name] = node
    nodes[path] = node
    return node


def _remove(nodes: dict[str, Node], node: Node, place: int, *, is_top: bool) -> None:
    """Take a path away: from the tree, or with a mark of it where the layer that is looked at does so."""
    for child in list(node.children.values()):
        _remove(nodes, child, place, is_top=is_top)
    if is_top:
        node.change, node.layer = REMOVED, place
        return
    nodes.pop(node.path, None)
    if node.parent is not None:
        node.parent.children.pop(node.name, None)


def _prune(node: Node) -> bool:
    """Leave what has a change, and the directories on the way there; return whether anything is left."""
    for child in list(node.children.values()):
        if not _prune(child):
            del node.children[child.name]
    return bool(node.children) or node.change != SAME


def _sum(node: Node) -> int:
    """Set the sizes of directories, and their marks from what is below."""
    if not node.is_directory:
        return 0 if node.change == REMOVED else node.size
    node.size = sum(map(_sum, node.children.values()))
    if node.change == SAME and any(child.change for child in node.children.values()):
        node.change = CHANGED
    return 0 if node.change == REMOVED else node.size


@define
class FileTree:
    """A tree on the screen: what is unfolded, what is looked for, and where the cursor is."""

    root: Node = field(factory=lambda: Node("/", "/"))
    unfolded: set[str] = field(factory=lambda: {"/"})
    filter: str = ""
    cursor: str = ""
    _shown: list[tuple[Node, int]] | None = None
    _places: dict[str, int] = field(factory=dict)

    def fill(self, root: Node) -> None:
        """Take another tree; what is unfolded stays so."""
        self.root = root
        self._shown = None
        self.hold()

    def shown(self) -> list[tuple[Node, int]]:
        """Return the visible nodes with their depths."""
        if self._shown is None:
            self._shown = list(self._found() if self.filter else self._below(self.root, 0))
            self._places = {node.path: place for place, (node, _) in enumerate(self._shown)}
        return self._shown

    def _below(self, node: Node, depth: int) -> Iterator[tuple[Node, int]]:
        for child in node.sorted():
            yield child, depth
            if child.children and child.path in self.unfolded:
                yield from self._below(child, depth + 1)

    def _found(self) -> Iterator[tuple[Node, int]]:
        """Yield what has the words in its path, and the directories that lead there."""
        words = self.filter.casefold().split()
        wanted: set[str] = set()
        for node in self.root.walk():
            if all(word in node.path.casefold() for word in words):
                above: Node | None = node
                while above is not None and above.path not in wanted:
                    wanted.add(above.path)
                    above = above.parent
        yield from self._only(self.root, 0, wanted)

    def _only(self, node: Node, depth: int, wanted: set[str]) -> Iterator[tuple[Node, int]]:
        for child in node.sorted():
            if child.path in wanted:
                yield child, depth
                yield from self._only(child, depth + 1, wanted)

    def index(self) -> int:
        """Return where the cursor is."""
        self.shown()
        return self._places.get(self.cursor, 0)

    def move(self, index: int) -> None:
        """Put the cursor on the nearest node there is."""
        shown = self.shown()
        if shown:
            self.cursor = shown[max(0, min(index, len(shown) - 1))][0].path

    def hold(self) -> None:
        """Put the cursor on the nearest path above that is there still."""
        self.shown()
        while self.cursor and self.cursor not in self._places:
            self.cursor = os.path.dirname(self.cursor) if self.cursor != "/" else ""
        if not self.cursor:
            self.move(0)

    def node(self) -> Node | None:
        """Return the node under the cursor."""
        shown = self.shown()
        return shown[self.index()][0] if shown else None

    def fold(self, *, open_: bool | None = None) -> None:
        """Unfold or fold the directory under the cursor; from a file or a folded one, folding goes up."""
        node = self.node()
        if node is None:
            return
        is_open = node.path in self.unfolded
        wanted = not is_open if open_ is None else open_
        if wanted and node.children:
            self.unfolded.add(node.path)
        elif is_open:
            self.unfolded.discard(node.path)
        elif open_ is False and node.parent is not None and node.parent.path != "/":
            self.cursor = node.parent.path
        self._shown = None

    def narrow(self, text: str) -> None:
        """Show what has each of the words in its path."""
        self.filter = text
        self._shown = None
        self.hold()

    def unfold_changes(self, most: int = 200) -> None:
        """Unfold the directories on the way to changes, as long as the tree stays small."""
        changed = [node for node in self.root.walk() if node.change and node.children]
        if len(changed) <= most:
            self.unfolded |= {node.path for node in changed}
        self._shown = None
