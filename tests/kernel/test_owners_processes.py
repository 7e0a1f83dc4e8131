"""Programs that make it hard for the supervisor of owners, and what becomes of them when it dies."""

import os
import signal
import threading
import time

import flat_tree as flat
import pytest
from processes import children

pytestmark = [pytest.mark.userns, pytest.mark.plain_user]


def test_exit_codes_are_a_shells(flat_tree):
    assert flat_tree.run(["sh", "-c", "exit 7"]).code == 7
    assert flat_tree.run(["sh", "-c", "kill -9 $$"]).code == 137
    assert flat_tree.run(["no-such-program"]).code == 127
    assert flat_tree.run(["/etc/passwd"]).code == 126


def test_what_is_left_running_dies_with_the_command(flat_tree):
    started = time.monotonic()
    outcome = flat_tree.run(["sh", "-c", "(while :; do touch x; chown 5:5 x; done) & sleep 0.3"])
    assert outcome.code == 0
    assert time.monotonic() - started < 30
    assert outcome.owner("/x") in {(5, 5), (0, 0)}


def test_programs_that_hide_their_memory(flat_tree):
    assert flat_tree.shell("cp /usr/bin/chown c; chmod 111 c; touch x; ./c 62:63 x; stat -c '%u %g' x") == [
        "62 63"
    ]
    assert flat_tree.lines(
        "libc.prctl(4, 0, 0, 0, 0); make('n'); os.chown('n', 60, 61); print(seen('n'))"
    ) == ["60:61 100644"]


def test_the_first_process_is_closed(flat_tree):
    assert flat_tree.lines("""
got = []
for name in ("fd", "root", "cwd"):
    try:
        got += os.listdir(f"/proc/1/{name}/")
    except OSError:
        pass
for name in ("exe", "root", "fd/0"):
    try:
        got.append(os.readlink(f"/proc/1/{name}"))
    except OSError:
        pass
got.append(open("/proc/1/cmdline").read().strip(chr(0)))
got.append(open("/proc/1/comm").read().strip())
if libc.ptrace(16, 1, 0, 0) == 0:
    got.append("traced")
print(*got)
""") == ["envforge envforge"]


def test_threads(flat_tree):
    assert flat_tree.lines("""
wrong = [0]
def work(number):
    for turn in range(200):
        path = f"t{number}"; make(path); os.chown(path, number, turn)
        wrong[0] += seen(path) != f"{number}:{turn} 100644"; os.unlink(path)
threads = [threading.Thread(target=work, args=(number,)) for number in range(1, 7)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(wrong[0])
""") == ["0"]


def test_signals_never_make_a_wrong_answer(flat_tree):
    """A call can end with EINTR, which is said in the code; it never does half of its work."""
    assert flat_tree.lines("""
signal.signal(signal.SIGALRM, lambda *_: None); signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
def insist(function, *arguments):
    while True:
        try:
            return function(*arguments)
        except InterruptedError:
            continue
wrong = 0
for turn in range(1000):
    path = f"s{turn}"; insist(os.mkdir, path); insist(os.chown, path, turn % 5, turn % 7)
    status = insist(os.stat, path); wrong += (status.st_uid, status.st_gid) != (turn % 5, turn % 7)
    insist(os.rmdir, path)
signal.setitimer(signal.ITIMER_REAL, 0); print(wrong)
""") == ["0"]


def test_many_owned_files(flat_tree):
    """More than the table holds before it lets go of deleted ones."""
    outcome = flat_tree.python("""
for turn in range(1500):
    make("a"); os.chown("a", 5, 5); os.unlink("a")
for turn in range(700):
    make(f"b{turn}"); os.chown(f"b{turn}", turn, 5)
print(all(os.stat(f"b{turn}").st_uid == turn for turn in range(700)))
""")
    assert outcome.output == "True\n"
    assert len(outcome.owners) == 700


def test_ways_around_the_filter_are_closed(flat_tree):
    assert (
        flat_tree.lines("""
for number in (425, 463, 0x40000000 + 102):
    print(libc.syscall(number, 4, None), errno.errorcode[ctypes.get_errno()])
""")
        == ["-1 ENOSYS"] * 3
    )


def test_programs_of_32_bits(flat_tree):
    """Calls of the i386 table, which the other filter of the sandbox may refuse: owners and ids."""
    outcome = flat_tree.run([flat.interpreter(), "-c", _CALLS_OF_I386], before=_WITHOUT_THE_OTHER_FILTER)
    assert outcome.output.splitlines() == ["0", "0 11 12", "0 6"]
    assert outcome.owner("/x") == (11, 12)


_WITHOUT_THE_OTHER_FILTER = """
from envforge.sandbox.confined import in_tree
in_tree.processes.set_seccomp = lambda program: None
"""
_CALLS_OF_I386 = """
import ctypes, mmap, os, struct
# push rbx; mov eax, edi; mov ebx, esi; xchg ecx, edx; int 0x80; pop rbx; cdqe; ret
code = bytes.fromhex("53 89f8 89f3 87d1 cd80 5b 4898 c3")
MAP_32BIT = 0x40
def memory(flags=0):
    return mmap.mmap(-1, 4096, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | flags, 7)
page, low = memory(), memory(MAP_32BIT)
address = lambda buffer: ctypes.addressof(ctypes.c_char.from_buffer(buffer))
page.write(code)
call = ctypes.CFUNCTYPE(*[ctypes.c_long] * 5)(address(page))
os.close(os.open("/x", os.O_CREAT, 0o644))
low.write(b"/x\\0")
print(call(212, address(low), 11, 12), flush=True)
print(call(195, address(low), address(low) + 64, 0), *struct.unpack_from("<II", low, 64 + 24), flush=True)
print(call(213, 6, 0, 0), call(199, 0, 0, 0), flush=True)
"""


def test_long_and_broken_names(flat_tree):
    assert flat_tree.lines("""
page = ctypes.create_string_buffer(3 * 4096); start = (ctypes.addressof(page) + 4095) & ~4095
name = b"/" + b"a" * 20; ctypes.memmove(start + 4096 - 10, name + b"\\0", len(name) + 1)
make(name); print(libc.chown(ctypes.c_void_p(start + 4096 - 10), 5, 6), seen(name))
print(told(os.chown, "x" * 5000, 1, 1), told(os.stat, "x" * 300), told(os.stat, ""), told(os.chown, "", 1, 1))
print(libc.chown(ctypes.c_void_p(8), 1, 1), errno.errorcode[ctypes.get_errno()])
os.mkdir("odd \\udcff\\n"); os.chown("odd \\udcff\\n", 3, 4); print(seen("odd \\udcff\\n"))
""") == ["0 5:6 100644", "ENAMETOOLONG ENAMETOOLONG ENOENT ENOENT", "-1 EFAULT", "3:4 40755"]


def test_a_second_listener_is_refused_with_advice(flat_tree):
    """The kernel allows one listener in a chain of filters; some container managers have it."""
    ended = flat_tree.drive(["true"], before=_LISTEN)
    assert ended.returncode != 0
    assert "listens for system calls already" in ended.stderr


_LISTEN = """
import ctypes
program = bytes.fromhex("0600000000 00ff7f".replace(" ", ""))
buffer = ctypes.create_string_buffer(program, 8)
class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]
libc = ctypes.CDLL(None)
libc.prctl(38, 1, 0, 0, 0)
assert libc.syscall(317, 1, 8, ctypes.byref(Program(1, ctypes.addressof(buffer)))) >= 0
"""


def test_programs_are_killed_and_the_build_fails_when_the_supervisor_dies(flat_tree):
    """Whoever dies, nothing goes on with owners that nobody keeps."""
    killer = threading.Thread(target=_kill_supervisor)
    killer.start()
    ended = flat_tree.drive(["sh", "-c", "for turn in $(seq 100000); do touch x; chown 5:5 x; done"])
    killer.join()
    assert ended.returncode != 0
    assert "the supervisor of owners has been killed" in ended.stderr
    assert not [pid for pid in _below() if b"chown" in _words(pid)]


def _kill_supervisor() -> None:
    """Kill the process that shares a mount namespace, but no pid namespace, with a process below it."""
    for _ in range(2000):
        time.sleep(0.05)
        for pid in _below():
            if not _is_supervisor(pid):
                continue
            time.sleep(0.2)
            if _is_supervisor(pid):  # not the program that has just made the listener and passes it on
                os.kill(pid, signal.SIGKILL)
                return


def _is_supervisor(pid: int) -> bool:
    try:
        names = [os.readlink(f"/proc/{pid}/fd/{name}") for name in os.listdir(f"/proc/{pid}/fd")]
    except OSError:
        return False
    return "anon_inode:seccomp notify" in names


def _below() -> list[int]:
    """Return the processes that this test has started: those of another run must live."""
    try:
        return children(os.getpid())
    except FileNotFoundError:
        return []  # one ended while it was looked at


def _words(pid: int) -> bytes:
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read()
    except OSError:
        return b""
