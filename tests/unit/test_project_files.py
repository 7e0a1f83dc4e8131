"""Reading `[[files]]` of a project that somebody inside could have prepared."""

import os
import socket
import threading

import pytest

from envforge.build.site import ProjectFiles
from envforge.environment.projects.project import real_path
from envforge.errors import SpecError
from envforge.kernel.removal import remove_tree
from envforge.sources.fetch.bring import Bringer
from envforge.sources.files import read as project_files
from envforge.sources.files.read import read_files
from envforge.sources.project_files import reopened
from envforge.spec.model import LocalFile
from envforge.store.layout import open_store
from envforge.transfer.http import Fetcher


@pytest.fixture
def project(tmp_path):
    directory = tmp_path / "project"
    directory.mkdir()
    (tmp_path / "secret").write_text("secret")
    (directory / "plain").write_text("plain")
    return directory


def read(project, source, mode="", **options):
    files = read_files(ProjectFiles(str(project), options.get("places", {})), [LocalFile(source, "/t", mode)])
    return {one.target: (one.type, f"{one.mode:o}", one.content) for one in files}


def test_files_links_and_directories(project):
    (project / "d" / "e").mkdir(parents=True)
    (project / "d" / "e" / "run").write_text("x")
    (project / "d" / "e" / "run").chmod(0o700)
    (project / "d" / "out").symlink_to("/etc/passwd")
    assert read(project, "plain") == {"/t": ("f", "644", b"plain")}
    assert read(project, "d") == {
        "/t": ("d", "755", b""),
        "/t/e": ("d", "755", b""),
        "/t/e/run": ("f", "755", b"x"),
        "/t/out": ("l", "777", b"/etc/passwd"),
    }
    assert read(project, "d/e/run", "0600") == {"/t": ("f", "600", b"x")}


def test_a_link_is_followed_within_the_project_only(project, tmp_path):
    (project / "link").symlink_to("plain")
    assert read(project, "link")["/t"][2] == b"plain"
    for number, target in enumerate(("../secret", str(tmp_path / "secret"), "/proc/self/root")):
        name = f"out{number}"
        (project / name).symlink_to(target)
        with pytest.raises(SpecError, match=r"leads out of the project|Too many levels"):
            read(project, name)
    (project / "up").symlink_to("..")
    with pytest.raises(SpecError, match="leads out"):
        read(project, "up/secret")


def test_what_cannot_be_read_is_told_for_fetched_files_too(project, tmp_path):
    path = f"/proc/{os.getpid()}/mem"  # a regular file that nobody can read at its beginning
    files = ProjectFiles(str(project), {path: path})
    with pytest.raises(SpecError, match="Input/output error"):
        read_files(files, [LocalFile(path, "/t")])
    with Fetcher() as fetcher:
        bringer = Bringer(open_store(str(tmp_path / "store")), fetcher, files)
        with pytest.raises(SpecError, match="Input/output error"):
            bringer.bring(f"file:{path}", "", lambda _: None)


def test_what_cannot_be_opened_again_is_named_by_its_path(project, monkeypatch):
    monkeypatch.chdir(project)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket")
        place = os.open("socket", os.O_PATH)
        try:
            with pytest.raises(OSError, match="No such device") as caught:
                reopened(place)
        finally:
            os.close(place)
    assert caught.value.filename == str(project / "socket")


def test_what_is_outside_is_read_where_it_was_allowed_to_lead(project, tmp_path):
    source = os.path.join(project, "..", "secret")
    places = {os.path.normpath(source): str(tmp_path / "secret")}
    assert read(project, "../secret", places=places)["/t"][2] == b"secret"
    with pytest.raises(SpecError):
        read(project, "../secret")
    (tmp_path / "secret").unlink()
    (tmp_path / "secret").symlink_to("/etc/passwd")
    with pytest.raises(SpecError):
        read(project, "../secret", places=places)


def test_a_fifo_holds_nobody(project):
    os.mkfifo(project / "fifo")
    with pytest.raises(SpecError, match="neither a file"):
        read(project, "fifo")


def test_what_is_held_in_memory_is_bounded(project, monkeypatch):
    monkeypatch.setattr(project_files, "CONTENT_MAX_BYTES", 8)
    assert read(project, "plain")
    with open(project / "large", "wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(SpecError, match="all files together"):
        read(project, "large")


def test_a_tree_of_any_depth(project):
    path = project / "deep"
    path.mkdir()
    above = os.open(path, os.O_RDONLY)
    for _ in range(1500):
        os.mkdir("d", dir_fd=above)
        below = os.open("d", os.O_RDONLY, dir_fd=above)
        os.close(above)
        above = below
    os.close(above)
    assert len(read(project, "deep")) == 1501
    remove_tree(str(path))  # too deep for pytest's own cleaning


def test_what_is_missing_is_watched_too(project):
    assert project_files.sources(str(project), [LocalFile("gone", "/t")]) == (f"{project}/gone",)


def test_a_path_that_is_swapped_meanwhile_is_looked_at_again(tmp_path):
    """Between the look that finds a link and the one that reads it, it may be a file."""
    place, link, file = (str(tmp_path / name) for name in ("place", "link", "file"))
    done = threading.Event()

    def swap():
        while not done.is_set():
            os.symlink("/", link)
            os.replace(link, place)
            with open(file, "w"):
                os.replace(file, place)

    swapping = threading.Thread(target=swap)
    swapping.start()
    try:
        found = {real_path(place) for _ in range(20_000)}
    finally:
        done.set()
        swapping.join()
    assert found <= {"/", place}
