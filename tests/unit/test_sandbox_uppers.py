"""Upper directories: made, swept, and removed whatever is in them."""

import fcntl
import os
import threading

import pytest

from envforge.kernel.removal import is_still_at, remove_tree
from envforge.sandbox import uppers


@pytest.fixture
def places(tmp_path):
    for name in ("uppers", "trash"):
        (tmp_path / name).mkdir()
    return f"{tmp_path}/uppers", f"{tmp_path}/trash"


def never(path):
    raise AssertionError(path)


def test_an_upper_is_locked_while_it_is_used_and_then_removed(places):
    upper = uppers.make(places[0])
    assert sorted(os.listdir(f"{places[0]}/{upper.name}")) == ["lock", "upper", "work"]
    with open(f"{places[0]}/{upper.name}/upper/file", "w", encoding="ascii"):
        pass
    uppers.sweep(*places, never)
    assert os.listdir(places[0]) == [upper.name]
    uppers.remove(upper, *places, never)
    assert os.listdir(places[0]) == os.listdir(places[1]) == []


def test_one_that_nothing_was_written_to_is_removed_without_looking_for_more(places, monkeypatch):
    monkeypatch.setattr(uppers, "remove_tree", never)
    upper = uppers.make(places[0])
    overlays = f"{places[0]}/{upper.name}/work/work/incompat/volatile"  # as overlay leaves them
    os.makedirs(overlays)
    with open(f"{overlays}/dirty", "w", encoding="ascii"):
        pass
    for directory in (overlays, os.path.dirname(overlays), os.path.dirname(os.path.dirname(overlays))):
        os.chmod(directory, 0)
    uppers.remove(upper, *places, never)
    assert os.listdir(places[0]) == os.listdir(places[1]) == []


def test_what_a_dead_owner_left_is_swept(places):
    upper = uppers.make(places[0])
    os.close(upper.descriptor)
    uppers.sweep(*places, never)
    assert os.listdir(places[0]) == os.listdir(places[1]) == []


def test_what_may_not_be_removed_is_handed_over_from_the_trash(places, monkeypatch):
    def refuse(path):
        raise PermissionError(path)

    upper = uppers.make(places[0])
    monkeypatch.setattr(uppers, "remove_tree", refuse)
    handed = []
    uppers.remove(upper, *places, handed.append)
    assert handed == [f"{places[1]}/upper-{upper.name}"]
    assert os.path.isdir(handed[0])


@pytest.mark.parametrize("moment", ["before it is opened", "before it is locked"])
def test_a_sweep_that_is_quicker_than_the_lock_costs_the_name_only(places, monkeypatch, moment):
    taken = []

    def take():
        if not taken:
            taken.append(os.listdir(places[0])[0])
            os.rename(f"{places[0]}/{taken[0]}", f"{places[1]}/{taken[0]}")

    def open_late(path, flags, mode):
        take()
        return os_open(path, flags, mode)

    def lock_late(descriptor, operation):
        take()
        fcntl.flock(descriptor, operation)

    os_open = os.open
    if moment == "before it is opened":
        monkeypatch.setattr(os, "open", open_late)
    else:
        monkeypatch.setattr(uppers, "flock", lock_late)
    upper = uppers.make(places[0])
    assert upper.name != taken[0]
    assert os.path.isdir(f"{places[0]}/{upper.name}/work")


def test_a_file_is_the_same_one_on_the_same_device_only(tmp_path):
    file = tmp_path / "file"
    file.touch()
    with open(file, encoding="ascii") as opened:
        assert is_still_at(opened.fileno(), str(file))
        file.rename(tmp_path / "moved")
        assert not is_still_at(opened.fileno(), str(file))
        file.touch()
        assert not is_still_at(opened.fileno(), str(file))
    descriptor = os.open("/proc", os.O_RDONLY)
    try:
        if os.stat("/sys").st_ino != os.fstat(descriptor).st_ino:
            pytest.skip("needs two file systems whose roots have one inode")
        assert not is_still_at(descriptor, "/sys")
    finally:
        os.close(descriptor)


def test_any_tree_can_be_removed(tmp_path):
    top = tmp_path / "top"
    top.mkdir()
    (top / "dir").mkdir()
    (top / "dir" / "file").touch()
    (top / "dir" / "link").symlink_to(tmp_path)
    (top / "shut" / "in").mkdir(parents=True)
    (top / "shut" / "in" / "file").touch()
    (top / "shut" / "in").chmod(0)
    (top / "shut").chmod(0o500)
    directory = os.open(top, os.O_RDONLY)
    for _ in range(3000):  # deeper than the stack, longer than a path may be
        os.mkdir("d" * 50, dir_fd=directory)
        below = os.open("d" * 50, os.O_RDONLY, dir_fd=directory)
        os.close(directory)
        directory = below
    os.close(os.open("file", os.O_CREAT, dir_fd=directory))
    os.close(directory)
    remove_tree(str(top))
    assert not top.exists()
    assert tmp_path.exists()
    remove_tree(str(top))


def test_two_may_remove_the_same_tree(tmp_path):
    for number in range(300):
        (tmp_path / "top" / str(number % 10) / str(number)).mkdir(parents=True)
    threads = [threading.Thread(target=remove_tree, args=(f"{tmp_path}/top",)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    remove_tree(f"{tmp_path}/top")
    assert not (tmp_path / "top").exists()
