from envforge.tui.core.files import ADDED, CHANGED, REMOVED, SAME, FileTree, Node, Path, merge


def d(path: str) -> Path:
    return Path(path, "d", 0, 0o755, "")


def f(path: str, content: str = "aa", size: int = 10, mode: int = 0o644) -> Path:
    return Path(path, "f", size, mode, content)


def w(path: str) -> Path:
    return Path(path, "w", 0, 0, "")


BASE = [
    d("/"),
    d("/etc"),
    f("/etc/hosts", "h1", 5),
    f("/etc/motd", "m1", 7),
    d("/usr"),
    f("/usr/ls", "ls", 100),
]
TOP = [d("/"), d("/etc"), f("/etc/hosts", "h2", 6), w("/etc/motd"), f("/etc/new", "n", 1)]


def changes(root: Node) -> dict[str, str]:
    return {node.path: node.change for node in root.walk()}


def test_the_top_layer_adds_changes_and_removes() -> None:
    root = merge([TOP, BASE], 0)
    assert changes(root) == {
        "/etc": CHANGED,
        "/etc/hosts": CHANGED,
        "/etc/motd": REMOVED,
        "/etc/new": ADDED,
        "/usr": SAME,
        "/usr/ls": SAME,
    }


def test_looking_at_a_lower_layer_leaves_those_above_out() -> None:
    root = merge([TOP, BASE], 1)
    assert set(changes(root).values()) == {ADDED}
    assert "/etc/new" not in changes(root)


def test_sizes_of_directories_are_sums_without_what_was_removed() -> None:
    root = merge([TOP, BASE], 0)
    assert root.children["etc"].size == 7
    assert root.size == 107


def test_alone_leaves_only_what_the_layer_has() -> None:
    root = merge([TOP, BASE], 0, alone=True)
    assert set(changes(root)) == {"/etc", "/etc/hosts", "/etc/motd", "/etc/new"}


def test_the_same_file_again_is_no_change() -> None:
    root = merge([[d("/"), d("/usr"), f("/usr/ls", "ls", 100)], BASE], 0)
    assert changes(root)["/usr/ls"] == SAME


def test_an_opaque_directory_hides_what_lies_below() -> None:
    root = merge([[d("/"), Path("/etc", "o", 0, 0o755, ""), f("/etc/one")], BASE], 0)
    found = changes(root)
    assert (found["/etc/hosts"], found["/etc/one"]) == (REMOVED, ADDED)
    below = merge([[d("/")], [d("/"), Path("/etc", "o", 0, 0o755, ""), f("/etc/one")], BASE], 0)
    assert "/etc/hosts" not in changes(below)


def test_a_file_in_place_of_a_directory_takes_what_was_below_it() -> None:
    root = merge([[d("/"), f("/etc")], BASE], 0)
    found = changes(root)
    assert (found["/etc"], found["/etc/hosts"]) == (CHANGED, REMOVED)


def test_a_whiteout_of_nothing_is_nothing() -> None:
    assert changes(merge([[w("/none")], [d("/")]], 0)) == {}


def test_a_file_that_comes_back_over_a_whiteout_is_new() -> None:
    again = [d("/"), d("/etc"), f("/etc/motd", "m2")]
    assert changes(merge([again, TOP, BASE], 0))["/etc/motd"] == ADDED


def test_a_file_without_its_directories_is_shown_all_the_same() -> None:
    assert "/a/b" in changes(merge([[f("/a/b/c")]], 0))


def shown(tree: FileTree) -> list[str]:
    return [node.path for node, _ in tree.shown()]


def tree() -> FileTree:
    found = FileTree()
    found.fill(merge([TOP, BASE], 0))
    return found


def test_directories_unfold_and_fold() -> None:
    one = tree()
    assert shown(one) == ["/etc", "/usr"]
    one.fold(open_=True)
    assert shown(one) == ["/etc", "/etc/hosts", "/etc/motd", "/etc/new", "/usr"]
    one.move(2)
    one.fold(open_=False)
    assert one.cursor == "/etc"
    one.fold(open_=False)
    assert shown(one) == ["/etc", "/usr"]


def test_a_filter_shows_the_way_to_what_it_finds() -> None:
    one = tree()
    one.narrow("LS")
    assert shown(one) == ["/usr", "/usr/ls"]
    one.narrow("")
    assert shown(one) == ["/etc", "/usr"]


def test_the_cursor_goes_up_where_its_file_is_gone() -> None:
    one = tree()
    one.fold(open_=True)
    one.cursor = "/etc/new"
    one.fill(merge([TOP, BASE], 1))
    assert one.cursor == "/etc"


def test_changes_are_unfolded() -> None:
    one = tree()
    one.unfold_changes()
    assert "/etc/new" in shown(one)
    assert "/usr/ls" not in shown(one)


def test_an_empty_tree_has_no_node() -> None:
    one = FileTree()
    one.fold()
    one.move(1)
    assert one.node() is None


def test_fifty_thousand_files_are_merged_and_drawn_quickly() -> None:
    many = [d("/"), *(one for at in range(500) for one in (d(f"/d{at:03}"), *_files(at)))]
    one = FileTree()
    one.fill(merge([many], 0))
    one.narrow("f42")
    assert len(shown(one)) == 1000


def _files(at: int) -> list[Path]:
    return [f(f"/d{at:03}/f{number}") for number in range(100)]
