"""What a detached payload could do to its supervisor, its log, its records and who reads them."""

import json
import os
import pty
import re
import subprocess

import pytest
from canary import GaveWayError

pytestmark = pytest.mark.userns


def test_nothing_of_the_supervisor_is_open_inside(harbour):
    script = "exec 2>&1; for fd in /proc/self/fd/*; do echo $fd $(readlink $fd); done; echo done"
    harbour.start(name="web", script=script)
    shown = harbour.await_log("web", "done")
    leaked = [line for line in shown.splitlines() if harbour.box.home in line or "socket:" in line]
    numbers = {int(number) for number in re.findall(r"fd/(\d+) \S", shown)}
    if leaked or numbers - {0, 1, 2, 3}:  # 3 is the shell's, of the directory that it lists
        raise GaveWayError(f"{numbers} {leaked}")


def test_the_first_process_shows_nothing(harbour):
    script = (
        "for name in exe cwd root; do readlink /proc/1/$name && echo seen $name; done; "
        "for name in environ maps mem; do head -c 1 /proc/1/$name >/dev/null && echo seen $name; done; "
        "ls /proc/1/fd && echo seen fd; tr '\\0' ' ' </proc/1/cmdline; echo; kill -9 1; echo alive; sleep 600"
    )
    harbour.start(name="web", script=script)
    shown = harbour.await_log("web", "alive")
    if "seen" in shown or harbour.box.home in shown:
        raise GaveWayError(shown)
    assert harbour.state("web")["status"] == "running"


def test_the_store_and_the_control_socket_are_out_of_reach(harbour):
    store = harbour.box.store
    ways = f"../../../../../../../../{store} /proc/1/root/{store}"
    script = (
        f"ls -a {store}/containers 2>/dev/null && echo seen; "
        f"for way in {ways}; do ls $way/containers && echo seen; done; "
        "find / -xdev -name state.json -o -xdev -name 'control' -type s 2>/dev/null; echo end; sleep 600"
    )
    harbour.start(name="web", script=script)
    shown = harbour.await_log("web", "end")
    if "seen" in shown or "state.json" in shown:
        raise GaveWayError(shown)


def test_no_line_of_the_log_can_be_forged(harbour):
    forged = "2001-01-01T00:00:00.000000000Z stderr F forged"
    script = (
        f"printf '{forged}\\n'; printf 'x\\r{forged}\\r\\n'; printf '\\000{forged}'; "
        f"head -c 5000000 /dev/zero | tr '\\0' a; printf '\\n{forged}\\n'; echo; echo end"
    )
    identifier = harbour.start(name="web", script=script)
    harbour.await_status("web", "exited")
    words = harbour.words("logs", "-t", "web")
    result = subprocess.run(words, cwd=harbour.box.project, capture_output=True, check=True, timeout=60)
    found = [line[:100] for line in result.stdout.split(b"\n") if line.startswith(b"2001")]
    if found or result.stderr:
        raise GaveWayError(f"{found} {result.stderr[:100]!r}")
    log = b"".join(
        open(f"{harbour.box.store}/containers/{identifier}/{name}", "rb").read()  # noqa: SIM115
        for name in ("log.1", "log")
        if os.path.exists(f"{harbour.box.store}/containers/{identifier}/{name}")
    )
    shape = re.compile(rb"20[2-9]\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z stdout [FP] .{0,16384}", re.DOTALL)
    assert all(shape.fullmatch(line) for line in log.split(b"\n")[:-1])


def test_a_log_steers_no_terminal(harbour):
    evil = (
        r"\033]0;title\007 \033[2J\033[H \033]52;c;ZXZpbA==\007 \033P1;1|data\033\\\\ \033c \033[6n \010\010 "
        r"\033[31mred\033[0m \033]8;;http://x\033\\\\link"
    )
    harbour.start(name="web", script=f"printf '{evil}\\n'")
    harbour.await_status("web", "exited")
    pid, master = pty.fork()
    if pid == 0:
        os.chdir(harbour.box.project)
        words = harbour.words("logs", "web")
        os.execvp(words[0], words)
    shown = b""
    try:
        while piece := os.read(master, 4096):
            shown += piece
    except OSError:
        pass
    os.waitpid(pid, 0)
    os.close(master)
    left = re.sub(rb"\x1b\[[0-9;]*m", b"", shown)
    if b"\x1b" in left or b"\x08" in left or b"\x07" in left:
        raise GaveWayError(repr(shown))
    assert b"\x1b[31mred\x1b[0m" in shown
    table = harbour.succeed("run", "-d", "--", "printf", "\x1b]0;x\x07")
    assert table
    listed = harbour.succeed("ps", "-a")
    if "\x1b" in listed:
        raise GaveWayError(repr(listed))


@pytest.mark.one_kind
def test_a_flood_fills_neither_disk_nor_memory(harbour):
    script = "yes 'a line that comes again and again' | head -c 40000000; echo all >/over; sleep 600"
    identifier = harbour.start(name="web", script=script)
    place = f"{harbour.box.store}/containers/{identifier}"
    over = ("exec", "web", "--", "cat", "/over")
    harbour.until(lambda: harbour.run(*over).stdout, lambda said: said == "all\n", 90)
    size = sum(os.path.getsize(f"{place}/{name}") for name in os.listdir(place) if name.startswith("log"))
    supervisor = harbour.record(identifier)["supervisor"]
    with open(f"/proc/{supervisor}/status", encoding="ascii") as file:
        peak_kib = int(re.search(r"VmHWM:\s+(\d+)", file.read())[1])
    if size > 3 * 10 * 1024 * 1024 or peak_kib > 60_000:
        raise GaveWayError(f"{size} bytes of log, {peak_kib} KiB of memory")
    assert harbour.state("web")["status"] == "running"


def test_a_plan_or_a_state_of_anothers_making_is_not_believed(harbour):
    identifier = harbour.start(name="web", script="true")
    other = harbour.start(name="other")
    harbour.await_status("web", "exited")
    place = f"{harbour.box.store}/containers"
    with open(f"{place}/{other}/plan", "rb") as file:
        plan = file.read()
    with open(f"{place}/{identifier}/plan", "wb") as file:
        file.write(plan)  # sealed, but for another container
    assert "start" not in harbour.run("start", "web").stdout
    assert harbour.run("start", "web").returncode != 0
    assert harbour.state("web")["status"] == "exited"
    path = f"{place}/{other}/state.json"
    state = harbour.record(other)
    with open(path, "w", encoding="utf-8") as file:
        json.dump({**state, "pid": os.getpid(), "pid_started": 1}, file)
    if harbour.run("exec", "other", "--", "hostname").stdout not in {"", "box\n"}:
        raise GaveWayError("exec joined a process that is none of the container's")
    with open(path, "w", encoding="utf-8") as file:
        json.dump(state, file)


NONSENSE = """
import os, socket, sys
place = os.open(sys.argv[1], os.O_PATH)
for data in (
    b"\\n", b"{", b"{}\\n", b"[]\\n", b"\\xff\\xfe\\n", b"x" * 200000,
    b'{"do": 1}\\n', b'{"do": "kill"}\\n', b'{"do": "kill", "signal": "x"}\\n',
    b'{"do": "kill", "signal": 9999}\\n',
    b'{"do": "stop", "signal": -1, "seconds": "x"}\\n', b'{"do": "stop", "signal": [1]}\\n',
    b'{"do": "attach"}\\n' + b"\\xff" * 100, b'{"do": "attach"}\\n' + b"w\\0\\0\\0\\4abcd",
):
    one = socket.socket(socket.AF_UNIX)
    one.connect(f"/proc/self/fd/{place}/control")
    one.settimeout(5)
    try:
        one.sendall(data)
        one.shutdown(socket.SHUT_WR)
        one.recv(1000)
    except OSError:
        pass
    one.close()
"""


def test_nonsense_on_the_control_socket_does_no_harm(harbour):
    identifier = harbour.start(name="web")
    place = f"{harbour.box.store}/containers/{identifier}"
    subprocess.run(harbour.box.words(["python3", "-c", NONSENSE, place]), check=True, timeout=30)
    assert harbour.state("web")["status"] == "running"
    assert harbour.succeed("exec", "web", "--", "echo", "well") == "well\n"
    assert harbour.succeed("stop", "-t", "0", "web") == "web\n"
