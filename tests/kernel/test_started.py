"""Starting apart from waiting: from any thread, with streams of its own, the process left as it is."""

import pytest

pytestmark = pytest.mark.userns

IN_THREADS = """
import time
def status():
    lines = open("/proc/self/task/%d/status" % threading.get_native_id()).read().splitlines()
    return [line for line in lines if line.startswith(("Umask", "SigBlk"))]
def allocate():
    while not ended:
        [bytearray(100) for _ in range(1000)]
def one(number):
    before = status()
    read, write = os.pipe()
    given, give = os.pipe()
    os.write(give, b"given\\n")
    os.close(give)
    payload = Payload(["sh", "-c", f"cat; umask; stat -c %a /; exit {number}"], {"PATH": "/bin"}, "/")
    started = start(compiled_plan(home, {}), payload, (given, write, write))
    os.close(write)
    os.close(given)
    assert status() == before, (status(), before)
    codes[number] = wait(started)
    said[number] = open(read).read()
ended, codes, said = [], {}, {}
os.umask(0o077)
signal.signal(signal.SIGTERM, lambda *_: None)
before = status(), [os.stat(number) for number in (0, 1, 2)]
busy = [threading.Thread(target=allocate) for _ in range(3)]
starting = [threading.Thread(target=one, args=(number,)) for number in range(6)]
for thread in busy + starting:
    thread.start()
for thread in starting:
    thread.join()
ended.append(True)
assert (status(), [os.stat(number) for number in (0, 1, 2)]) == before
assert codes == {number: number for number in range(6)}, codes
assert set(said.values()) == {"given\\n0077\\n755\\n"}, said
assert len(os.listdir("/proc/self/fd")) <= 5, os.listdir("/proc/self/fd")
"""


def test_many_threads_start_sandboxes_at_once(box):
    box.shell("true")
    box.program(IN_THREADS)
    assert box.leftovers() == []


A_FILE = """
path = f"{home}/given"
open(path, "w").write("of the file\\n")
file, log = os.open(path, os.O_RDONLY), os.open(f"{home}/log", os.O_RDWR | os.O_CREAT)
write = "cat; (echo spoilt >>/proc/self/fd/0) 2>/dev/null && echo wrote"
payload = Payload(["sh", "-c", write], {"PATH": "/bin"}, "/")
started = start(compiled_plan(home, {}), payload, (file, log, log))
assert wait(started) == 1
assert open(f"{home}/log").read() == "of the file\\n"
assert open(path).read() == "of the file\\n"
assert os.fstat(file).st_ino == os.stat(path).st_ino
"""


def test_a_file_given_as_stdin_is_protected_and_left_where_it_is(box):
    box.shell("true")
    box.program(A_FILE)


ENTERED = """
def enter():
    codes.append(perform.enter(compiled_plan(home, {}), ["sh", "-c", "exit 7"], {"PATH": "/bin"}, "/"))
codes = []
thread = threading.Thread(target=enter)
thread.start()
thread.join()
held = threading.Event()
threading.Thread(target=held.wait).start()
enter()
held.set()
assert codes == [7, 7]
"""


def test_entering_works_from_a_thread_and_beside_one(box):
    box.shell("true")
    box.program(ENTERED)


SIGNALS = """
read, write = os.pipe()
script = "trap 'echo got; exit 9' TERM; echo ready; while :; do sleep 0.05; done"
started = start(compiled_plan(home, {}), Payload(["sh", "-c", script], {"PATH": "/bin"}, "/"), (0, write, 2))
os.close(write)
output = open(read)
assert output.readline() == "ready\\n"
signal.pidfd_send_signal(started.pidfd, signal.SIGTERM)
assert output.read() == "got\\n"
assert wait(started) == 9 == started.code
started = start(compiled_plan(home, {}), Payload(["sleep", "60"], {"PATH": "/bin"}, "/"))
signal.pidfd_send_signal(started.pidfd, signal.SIGKILL)
assert wait(started) == 137
"""


def test_signals_to_its_descriptor_reach_the_payload(box):
    box.shell("true")
    box.program(SIGNALS)
    assert box.leftovers() == []


ITS_THREAD = """
started = []
def begin():
    started.append(start(compiled_plan(home, {}), Payload(["sleep", "60"], {"PATH": "/bin"}, "/")))
thread = threading.Thread(target=begin)
thread.start()
thread.join()
assert wait(started[0]) == 137
"""


def test_it_ends_with_the_thread_that_started_it(box):
    box.shell("true")
    box.program(ITS_THREAD)
    assert box.leftovers() == []
