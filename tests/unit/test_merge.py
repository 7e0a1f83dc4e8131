import pytest

from envforge.errors import SandboxError
from envforge.store.listing import Entry
from envforge.store.merge import merged, resolve


def entries(*specs):
    return [Entry(path.encode(), kind, content=target.encode()) for path, kind, target in specs]


LOWER = entries(
    ("/", "d", ""),
    ("/a", "d", ""),
    ("/a/x", "f", "1"),
    ("/a/y", "f", "2"),
    ("/ab", "f", "3"),
    ("/l", "l", "a"),
)


def paths(*layers):
    return {path.decode(): entry.content.decode() for path, entry in merged(layers).items()}


def test_the_topmost_layer_is_seen():
    assert paths(entries(("/a/x", "f", "new")), LOWER)["/a/x"] == "new"


def test_a_whiteout_hides_a_path_and_what_is_below_it():
    shown = paths(entries(("/a", "w", "")), LOWER)
    assert "/a" not in shown
    assert "/a/x" not in shown
    assert shown["/ab"] == "3"


def test_an_opaque_directory_hides_what_lower_layers_have_in_it():
    shown = paths(entries(("/a", "o", ""), ("/a/z", "f", "9")), LOWER)
    assert "/a/x" not in shown
    assert shown["/a/z"] == "9"
    assert "/a" in shown


def test_a_file_over_a_directory_hides_it():
    assert "/a/x" not in paths(entries(("/a", "f", "")), LOWER)


@pytest.mark.parametrize(
    ("path", "real"),
    [("/l/x", "/a/x"), ("/l/new", "/a/new"), ("/a/../l/y", "/a/y"), ("/ab", "/ab"), ("/l/../..//a", "/a")],
)
def test_links_are_followed_inside(path, real):
    assert resolve(merged([LOWER]), path.encode()) == real.encode()


def test_absolute_links_stay_inside_and_loops_end():
    shown = merged([entries(("/", "d", ""), ("/up", "l", "../../etc"), ("/p", "l", "q"), ("/q", "l", "/p"))])
    assert resolve(shown, b"/up/passwd") == b"/etc/passwd"
    with pytest.raises(SandboxError):
        resolve(shown, b"/p/x")
