"""A confined process sees what its view names and nothing else of the host, and only its JSON is believed."""

import os
import secrets
import signal
import socket
import stat
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from envforge.build.workers import Cell, Workers, ready
from envforge.errors import BuildError, SandboxError
from envforge.sandbox.confined.confine import View, call_confined
from envforge.sandbox.ids.identity import detect
from envforge.sandbox.ids.worker import WorkerCrashError
from envforge.store.layout import open_store
from envforge.store.staging import clear_debris, move_out

pytestmark = pytest.mark.userns


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Return a directory like a store's: nobody else may look into it."""
    path = tmp_path / "place"
    for name in ("readable", "writable", "unseen"):
        (path / name).mkdir(parents=True)
        (path / name / "file").write_text(name)
    path.chmod(0o700)
    return path


def view(place: Path) -> View:
    return View.of(readable=[f"{place}/readable"], writable=[f"{place}/writable"])


def open_files() -> dict[int, str]:
    found = {}
    for name in os.listdir("/proc/self/fd"):
        with suppress(FileNotFoundError):  # that of the list itself
            found[int(name)] = os.readlink(f"/proc/self/fd/{name}")
    return {number: target for number, target in found.items() if number > 2}


def look(place: str) -> dict[str, object]:
    return {
        "top": sorted(os.listdir("/")),
        "place": sorted(os.listdir(place)),
        "processes": [name for name in os.listdir("/proc") if name.isdecimal()],
        "devices": sorted(os.listdir("/dev")),
        "links": list(open_files().values()),
        "interfaces": sorted(name for _, name in socket.if_nameindex()),
        "uid": os.getuid(),
        "root": os.readlink("/proc/self/root"),
        "mounts": Path("/proc/self/mountinfo").read_text().splitlines(),
    }


def test_nothing_of_the_host_is_there(place: Path) -> None:
    seen = call_confined(detect(), view(place), look, str(place))
    first = place.parts[1]
    assert seen["top"] == sorted({"dev", "proc", first})
    assert seen["place"] == ["readable", "writable"]
    assert seen["processes"] == ["1"]
    assert seen["devices"] == ["full", "null", "random", "tty", "urandom", "zero"]
    assert seen["interfaces"] == ["lo"]
    assert seen["uid"] == 0
    assert all(link.startswith("pipe:") for link in seen["links"]), seen["links"]
    assert not any(str(place / "unseen") in line for line in seen["mounts"])


def write(path: str) -> str:
    with open(path, "w") as file:
        file.write("written")
    return open(path).read()


def test_what_is_writable_is_and_belongs_to_the_caller(place: Path) -> None:
    assert call_confined(detect(), view(place), write, f"{place}/writable/new") == "written"
    status = (place / "writable/new").stat()
    assert (status.st_uid, status.st_gid) == (os.getuid(), os.getgid())
    assert stat.S_IMODE(status.st_mode) == 0o644


def test_what_is_readable_is_not_writable(place: Path) -> None:
    with pytest.raises(OSError, match="Read-only"):
        call_confined(detect(), view(place), write, f"{place}/readable/file")
    with pytest.raises(FileNotFoundError):
        call_confined(detect(), view(place), write, f"{place}/unseen/file")
    assert (place / "unseen/file").read_text() == "unseen"


def remount(place: str) -> str:
    from envforge.kernel import syscalls

    remount, bind = 0x20, 0x1000  # of mount(2)
    syscalls.mount("none", place, flags=remount | bind)
    return "remounted"


def chroot() -> str:
    os.chroot("/proc/1/root")
    return os.listdir("/")


def kill_all() -> str:
    os.kill(-1, 0)
    return "somebody"


def test_few_capabilities_are_left(place: Path) -> None:
    for function, arguments in ((remount, [f"{place}/readable"]), (chroot, [])):
        with pytest.raises(PermissionError):
            call_confined(detect(), view(place), function, *arguments)
    with pytest.raises(ProcessLookupError):
        call_confined(detect(), view(place), kill_all)


def give_object() -> object:
    return object()


def test_an_answer_is_json_or_none(place: Path) -> None:
    with pytest.raises(WorkerCrashError, match="not JSON serializable"):
        call_confined(detect(), view(place), give_object)
    with pytest.raises(WorkerCrashError, match="ZeroDivisionError"):
        call_confined(detect(), view(place), divide, 0)
    with pytest.raises(SandboxError, match="without an answer"):
        call_confined(detect(), view(place), die)


def test_threads_that_come_and_go_hold_nothing_up(place: Path) -> None:
    """A lock that some thread of the caller holds as the child is made is held in the child for ever."""
    done = threading.Event()

    def bustle() -> None:
        while not done.is_set():
            for thread in [threading.Thread(target=bytes, args=(100_000,)) for _ in range(4)]:
                thread.start()

    bustling = threading.Thread(target=bustle)
    bustling.start()
    try:
        for number in range(1, 60):
            assert call_confined(detect(), view(place), divide, number) == 1 / number
    finally:
        done.set()
        bustling.join()


@pytest.mark.parametrize("hook", ["before", "after_in_parent"])
def test_ctrl_c_while_a_child_is_made_is_not_lost(place: Path, hook: str) -> None:
    """Python prints and forgets what a handler raises in the hooks of a fork, and runs handlers there."""
    armed = [True]

    def interrupt() -> None:
        if armed:
            armed.clear()
            os.kill(os.getpid(), signal.SIGINT)
            len("a line more, before which the handler would run")

    os.register_at_fork(**{hook: interrupt})
    done = threading.Event()
    other = threading.Thread(target=done.wait)
    other.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            call_confined(detect(), view(place), divide, 2)
        assert call_confined(detect(), view(place), divide, 2) == 1 / 2
    finally:
        done.set()
        other.join()


def test_ctrl_c_while_handlers_are_set_back_leaves_nothing_blocked(place: Path, monkeypatch) -> None:
    """Another thread takes the signal, so the handler runs in this one although it is blocked here."""
    armed, set_handler = [True], signal.signal

    def interrupted(number: int, handler: object) -> object:
        found = set_handler(number, handler)
        if handler is signal.default_int_handler and armed:
            armed.clear()
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.2)
        return found

    monkeypatch.setattr(signal, "signal", interrupted)
    before = signal.getsignal(signal.SIGTERM)
    set_handler(signal.SIGTERM, unwind)
    done = threading.Event()
    other = threading.Thread(target=done.wait)
    other.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            call_confined(detect(), view(place), divide, 2)
        assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == set()
        assert signal.getsignal(signal.SIGTERM) is unwind
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        set_handler(signal.SIGTERM, before)
        done.set()
        other.join()


def unwind(_number: int, _frame: object) -> None:
    raise SystemExit


def test_ctrl_c_is_not_for_the_child(place: Path, capfd, monkeypatch) -> None:
    monkeypatch.setattr(sys, "unraisablehook", sys.__unraisablehook__)
    armed = [os.getpid()]

    def interrupt() -> None:
        if armed and armed[0] != os.getpid():
            os.kill(os.getpid(), signal.SIGINT)
            len("a line more, before which the handler would run")

    os.register_at_fork(after_in_child=interrupt)
    done = threading.Event()
    other = threading.Thread(target=done.wait)
    other.start()
    try:
        assert call_confined(detect(), view(place), divide, 2) == 1 / 2
        assert capfd.readouterr().err == ""
    finally:
        armed.clear()
        done.set()
        other.join()


def divide(number: int) -> float:
    return 1 / number


def die() -> None:
    os._exit(3)


def test_names_that_are_not_text_survive(place: Path) -> None:
    assert call_confined(detect(), view(place), give, "a\udcff") == "a\udcff"


def give(value: str) -> str:
    return value


def start_orphan() -> str:
    if os.fork() == 0:
        signal.pause()
    return "started"


def test_nothing_that_it_started_outlives_it(place: Path) -> None:
    mark = f"envforge-orphan-{secrets.token_hex(8)}"
    before = _processes()
    call_confined(detect(), view(place), start_orphan)
    assert _processes() <= before, mark


def _processes() -> set[str]:
    return {name for name in os.listdir("/proc") if name.isdecimal() and _parent(name) == str(os.getpid())}


def _parent(name: str) -> str:
    try:
        return Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()[1]
    except FileNotFoundError:
        return ""


def leave_things(report: object, place: str, kind: str) -> str:
    del report
    if kind == "link":
        os.symlink("/etc", f"{place}/made")
    elif kind == "link above":
        os.rmdir(place)
        os.symlink("/", place)
    else:
        os.mkdir(f"{place}/made")
        with open(f"{place}/made/file", "w") as file:
            file.write(kind)
    return kind


@pytest.mark.parametrize("kind", ["directory", "link", "link above"])
def test_only_directories_are_taken_over_from_a_worker(tmp_path: Path, kind: str) -> None:
    store = open_store(f"{tmp_path}/store")
    cell = Cell(store, detect(), lambda own: View.of(writable=[own]))
    final = tmp_path / "final"
    with Workers(1, cell) as pool:
        pool.submit("job", leave_things, kind)
        inside = "made" if kind != "link above" else "etc"
        done = next(done for done in pool.finished(ready(pool)))
        if kind == "directory":
            move_out(done.directory, f"/{done.name}/{inside}", str(final))
            assert (final / "file").read_text() == kind
        else:
            with pytest.raises(OSError, match=r"directory|link|cross-device|levels"):
                move_out(done.directory, f"/{done.name}/{inside}", str(final))
            assert not os.path.lexists(final)
    clear_debris(store)
    assert os.listdir(f"{store.path}/staging") == []


def lie(report: object, place: str) -> None:
    """Answer for itself, past the frame that is expected."""
    del report, place
    for number, target in open_files().items():
        if target.startswith("socket:"):
            os.write(number, b"d" + (1 << 60).to_bytes(8, "little"))
    os._exit(0)


def test_a_message_without_bounds_is_no_answer(tmp_path: Path) -> None:
    store = open_store(f"{tmp_path}/store")
    cell = Cell(store, detect(), lambda own: View.of(writable=[own]))
    with pytest.raises(BuildError, match="ended in the middle"), Workers(1, cell) as pool:
        pool.submit("job", lie)
        while pool.channels:
            list(pool.finished(ready(pool)))
