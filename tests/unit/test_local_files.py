"""The files layer: an entry under a link of another one goes where the link leads inside, never outside."""

import os

import pytest

from envforge.build.site import Site
from envforge.config import Config
from envforge.errors import SpecError
from envforge.sandbox.ids.identity import detect
from envforge.sources.files.layer import _stage
from envforge.sources.files.placed import Placed
from envforge.store.layout import open_store


@pytest.fixture
def stage(tmp_path):
    site = Site(open_store(f"{tmp_path}/store"), detect(prefer="flat"), Config())
    place = tmp_path / "place"
    place.mkdir()

    def run(*files):
        _stage(print, str(place), site, files, ())
        return place / "layer/root"

    return run


def test_an_entry_under_a_link_goes_where_it_leads_inside(stage, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    root = stage(
        Placed("/etc/link", "l", 0o777, os.fsencode(outside)),
        Placed("/etc/link/file", "f", 0o644, b"x"),
    )
    assert list(outside.iterdir()) == []
    assert (root / str(outside).lstrip("/") / "file").read_bytes() == b"x"
    assert os.readlink(root / "etc/link") == str(outside)


def test_a_directory_keeps_the_mode_that_it_has_below(stage):
    root = stage(Placed("/a", "d", 0o755, b""), Placed("/a/b", "f", 0o600, b"x"))
    assert (root / "a/b").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "second", [Placed("/etc/name/below", "f", 0o644, b""), Placed("/etc/alias", "f", 0o644, b"")]
)
def test_what_cannot_be_is_told(stage, second):
    with pytest.raises(SpecError, match=second.target):
        stage(
            Placed("/etc/alias", "l", 0o777, b"name"),
            Placed("/etc/name", "f", 0o644, b"x"),
            second,
        )
