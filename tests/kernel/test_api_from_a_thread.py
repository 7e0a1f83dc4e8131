"""A project from `init` to `destroy` through the API, as a TUI or a server would: in a thread, mutely."""

import os
import shutil
import threading
from pathlib import Path

import debs
import pytest
import web
from small_archive import Archive, public_key
from small_system import add_system, script

from envforge.api import (
    building,
    consent,
    doctor,
    editing,
    entering,
    environments,
    inspecting,
    locking,
    projects,
    proof,
    stores,
)
from envforge.errors import ConsentError, LockStaleError, ResolveError, StoreError, UsageError
from envforge.progress import Recorder, events

pytestmark = [
    pytest.mark.userns,
    pytest.mark.root,
    pytest.mark.skipif(not shutil.which("apt-get"), reason="needs apt-get, of which the tool tree is made"),
]


@pytest.fixture
def place(tmp_path, empty_home):
    """A directory for a project, in a home whose configuration names a small archive."""
    archive = Archive(tmp_path / "web")
    add_system(archive)
    archive.add("app", depends="library", data=[debs.member("./usr/share/app", b"of the app\n")])
    archive.add("library", members={"postinst": script("echo library is there")})
    archive.publish()
    (tmp_path / "key.pgp").write_bytes(public_key())
    configuration = Path(empty_home) / ".config" / "envforge"
    configuration.mkdir(parents=True)
    with web.serving(tmp_path / "web") as server:
        (configuration / "config.toml").write_text(
            f'snapshot = ""\n[mirrors]\ndebian = ["{server.url}"]\n[keys]\ndebian = "{tmp_path}/key.pgp"\n'
        )
        directory = tmp_path / "small"
        directory.mkdir()
        yield directory


def in_a_thread(work, *arguments):
    """Return what `work` returns in a thread, or raise what it raises there."""
    outcome = []

    def body():
        try:
            outcome.append((work(*arguments), None))
        except BaseException as error:  # noqa: BLE001 (raised again where it is seen)
            outcome.append((None, error))

    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    [(value, error)] = outcome
    if error is not None:
        raise error
    return value


def captured(compiled, command):
    """Return the exit code of a command in the sandbox, and what it printed."""
    with open(os.devnull, "rb") as nothing:
        read, write = os.pipe()
        started = entering.start(compiled, command, streams=(nothing.fileno(), write, write))
        os.close(write)
        with open(read, encoding="utf-8") as output:
            printed = output.read()
    return entering.wait(started), printed


def from_init_to_destroy(place: Path, store: str) -> None:
    path = editing.init(str(place / "envforge.toml"))
    with pytest.raises(UsageError):
        editing.init(path)
    spec = (place / "envforge.toml").read_text()
    asked = '\n[variables]\nGREETING = "hi"\n\n[shell]\npass = ["EDITOR"]\n'
    (place / "envforge.toml").write_text(
        spec.replace('suite = "trixie"', 'suite = "bookworm"\npockets = []') + asked
    )

    project = projects.open(path, store)
    assert [
        check.subject for check in doctor.checks(project.store_path) if check.state == doctor.PROBLEM
    ] in (
        [],
        ["mirror"],  # the archive has no `stable`
    )
    recorder = Recorder()
    with pytest.raises(ResolveError):
        editing.add(project, ["no-such-package"], listener=recorder)
    assert projects.open(path, store) == project
    with pytest.raises(LockStaleError):
        locking.lock(project, check=True)
    result = editing.add(project, ["app"], listener=recorder)
    assert {change.name for change in result.locked.changes} >= {"app", "library"}
    assert recorder.events[0] == events.Stage("package index")
    project = projects.open(path, store)
    assert project.spec == result.project.spec
    assert not locking.lock(project).written

    recorder = Recorder()
    made = building.build(project, listener=recorder)
    assert events.Item("app") in recorder.events
    assert events.Log("library is there", "library") in recorder.events
    assert building.build(project, locked=True).environment == made.environment

    assert [want.kind for want in consent.missing(project)] == ["pass"]
    with pytest.raises(ConsentError):
        entering.prepare(project, entering.RunOptions())
    consent.allow(project)
    assert consent.missing(project) == ()
    assert [one.spec for one in consent.allowed()] == [path]
    compiled = entering.prepare(project, entering.RunOptions())
    assert captured(compiled, ["sh", "-c", "cat /usr/share/app; echo $GREETING; exit 7"]) == (
        7,
        "of the app\nhi\n",
    )

    details = inspecting.describe(project)
    assert details.environment == made.environment
    assert next(one for one in details.packages if one.name == "app").needs == ("library",)
    assert [info.spec for info in environments.environments(store)] == [path]
    assert "root" in inspecting.users(project)

    recorder = Recorder()
    assert proof.verify(project, listener=recorder).identical
    assert events.Stage("reading", None, len(made.layers), "layers") in recorder.events
    built, verified = proof.check(project)
    assert (built.environment, verified.identical) == (made.environment, True)

    assert editing.remove(project, ["app"]).project.spec.debian.packages == ()
    with pytest.raises(StoreError):
        stores.destroy(str(place))
    stores.destroy(store)
    assert not os.path.exists(store)


def test_a_project_lives_and_ends_without_a_terminal_or_the_main_thread(place, tmp_path, capfd):
    before = threading.active_count()
    in_a_thread(from_init_to_destroy, place, str(tmp_path / "store"))
    assert capfd.readouterr() == ("", "")
    assert threading.active_count() == before


def test_two_threads_build_two_projects_at_once(place, tmp_path, capfd):
    store = str(tmp_path / "store")
    text = 'name = "{}"\n[debian]\nsuite = "bookworm"\npackages = ["{}"]\npockets = []\n'
    paths = []
    for name in ("app", "library"):
        (place / name).mkdir()
        (place / name / "envforge.toml").write_text(text.format(name, name))
        paths.append(str(place / name / "envforge.toml"))
    made = {}

    def build(path):
        recorder = Recorder()
        made[path] = (building.build(projects.open(path, store), listener=recorder), recorder.events)

    threads = [threading.Thread(target=build, args=(path,)) for path in paths]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made.keys() == set(paths)
    for path in paths:
        result, told = made[path]
        assert result.name == Path(path).parent.name
        assert events.Stage("package index") in told
    stores.destroy(store)
    assert capfd.readouterr() == ("", "")


def test_what_a_listener_raises_ends_a_build_and_the_next_one_is_whole(place, tmp_path):
    store = str(tmp_path / "store")
    text = 'name = "x"\n[debian]\nsuite = "bookworm"\npackages = ["app"]\npockets = []\n'
    (place / "envforge.toml").write_text(text)
    project = projects.open(str(place / "envforge.toml"), store)

    class CancelledError(Exception):
        pass

    def cancel(event):
        if isinstance(event, events.Item):
            raise CancelledError

    with pytest.raises(CancelledError):
        in_a_thread(lambda: building.build(project, listener=cancel))
    assert in_a_thread(lambda: building.build(project)).layers
    assert in_a_thread(lambda: proof.verify(project)).identical
    stores.destroy(store)
