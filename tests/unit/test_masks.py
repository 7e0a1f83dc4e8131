"""Where mounts would show envforge's own directories, found in mountinfo tables."""

import os

import pytest

from envforge.sandbox import masks

TABLE = rb"""20 1 8:1 / / rw - ext4 /dev/sda1 rw
21 20 0:5 / /proc rw - proc proc rw
22 20 8:2 / /home rw shared:1 - ext4 /dev/sda2 rw
23 20 8:2 /me/.local /mnt/bound rw - ext4 /dev/sda2 rw
24 22 8:3 /deep/store /home/me/data\040dir rw - ext4 /dev/sda3 rw
25 20 8:3 / /srv rw - ext4 /dev/sda3 rw
26 22 8:1 /var/lib /home/me/lib rw - ext4 /dev/sda1 rw
"""
STATE = ("/home/me/.local/state/envforge", 82, 7)
STORE = ("/srv/deep/store", 83, 8)


def found(path, *private):
    return [one[1:] for one in masks.hidden(TABLE, [path], private)]


@pytest.mark.parametrize(
    ("path", "below"),
    [
        ("/home/me", [".local/state/envforge"]),
        ("/home", ["me/.local/state/envforge"]),
        ("/home/me/project", []),
        ("/home/me/.local/state/envforge2", []),
        ("/mnt/bound", ["state/envforge"]),
        ("/mnt", ["bound/state/envforge"]),
        ("/", ["home/me/.local/state/envforge", "mnt/bound/state/envforge"]),
        ("/home/me/.local/state/envforge", [""]),
        ("/home/me/.local/state/envforge/homes", [""]),
        ("/mnt/bound/state/envforge/plans", [""]),
    ],
)
def test_under_every_name_of_a_directory(path, below):
    assert [one[0] for one in found(path, STATE)] == below


def test_a_private_directory_that_is_bound_elsewhere():
    assert found("/home/me", STORE) == [("data dir", 0, 0, True)]
    assert found("/srv", STORE) == [("deep/store", 83, 8, False)]
    assert found("/srv/deep/store/layers", STORE) == [("", 0, 0, False)]


def test_the_number_of_the_file_system_counts_and_not_a_path_alone():
    assert found("/home/me/lib", ("/var/lib/x", 81, 1)) == [("x", 81, 1, False)]
    assert found("/srv", ("/home/deep/store", 82, 1)) == []


def test_what_is_really_mounted_here(tmp_path):
    store = tmp_path / "a" / "store"
    store.mkdir(parents=True)
    (tmp_path / "link").symlink_to("a/store")
    status = os.stat(store)
    identity = (status.st_dev, status.st_ino)
    assert masks.find([None, str(tmp_path)], [str(tmp_path / "link")]) == [(1, "a/store", *identity)]
    assert masks.find([str(tmp_path)], [str(tmp_path / "nowhere")]) == []
    assert masks.find([None], [str(store)]) == []


@pytest.mark.parametrize(
    ("path", "seen"),
    [("/p", ["a/b"]), ("/p/a", ["b"]), ("/p/a/b", [""]), ("/p/a/b/c", [""]), ("/q", []), (None, [])],
)
def test_where_a_wanted_path_is_seen(path, seen):
    assert [*masks.seen_in(path, ["/p/a/b"])] == seen
