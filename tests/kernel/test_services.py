"""`envforge up` and `down`: services that wait for one another, keep what they store, and stop in order."""

import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import capabilities
import pytest
from commandline import CommandLine

from envforge.containers import control
from envforge.errors import ConflictError

pytestmark = [pytest.mark.userns, pytest.mark.archive]

HEAD = """\
name = "shop"
[debian]
suite = "bookworm"
packages = ["busybox"]
pockets = []
"""
SPEC = f"""{HEAD}
[services.web]
command = ["busybox", "httpd", "-f", "-p", "8080", "-h", "/srv"]
depends-on = ["db", "migrate:completed"]
health = {{ http = "http://localhost:8080/", start-interval = "50ms" }}
mounts = [{{ source = "public", target = "/srv" }}]

[services.db]
command = ["sh", "-c", "sleep 0.4; echo $SECRET > /tmp/ready; echo up; exec sleep 600"]
health = {{ command = ["cat", "/tmp/ready"], start-interval = "50ms" }}
variables = {{ SECRET = "s" }}

[services.migrate]
command = ["sh", "-c", "date > /tmp/migrated"]
depends-on = ["db"]
"""


@pytest.fixture(scope="module")
def shop(built: CommandLine, tmp_path_factory: pytest.TempPathFactory) -> CommandLine:
    """Build the environment once, over the base that other tests use too."""
    top = tmp_path_factory.mktemp("shop")
    line = CommandLine(top / "project", built.store, top / "home")
    line.directory.mkdir()
    line.home.mkdir()
    (line.directory / "envforge.toml").write_text(HEAD)
    line.succeed("build")
    return line


@pytest.fixture
def line(shop: CommandLine, tmp_path: Path) -> Iterator[CommandLine]:
    """Lend a project with these services, and take them down."""
    directory = tmp_path / "project"
    shutil.copytree(shop.directory, directory)
    (directory / "public").mkdir()
    (directory / "public" / "index.html").write_text("the shop\n")
    found = CommandLine(directory, shop.store, shop.home)
    write(found, SPEC)
    yield found
    for name in containers(found):
        found.run("rm", "-f", name)


def write(line: CommandLine, text: str) -> None:
    """Write the spec."""
    (line.directory / "envforge.toml").write_text(text)


def containers(line: CommandLine) -> dict[str, dict[str, object]]:
    """Return all containers of the store by name, as `ps` tells of them."""
    return {one["name"]: one for one in json.loads(line.succeed("ps", "-a", "--json"))}


def planned(line: CommandLine) -> dict[str, tuple[str, list[str]]]:
    """Return what `up` would do, and why."""
    steps = json.loads(line.succeed("up", "--plan", "--json"))
    return {one["service"]: (one["action"], one["changed"]) for one in steps}


def test_services_come_up_in_their_order_and_are_kept_until_they_change(line):
    said = line.run("up", "--wait")
    assert said.returncode == 0, said.stderr
    told = [text.split("(")[0].split() for text in said.stderr.splitlines() if "(" in text]
    happened = [(words[0], words[-1]) for words in told]
    for earlier, later in (
        (("db", "healthy"), ("migrate", "started")),
        (("migrate", "completed"), ("web", "started")),
        (("web", "started"), ("web", "healthy")),
    ):
        assert happened.index(earlier) < happened.index(later), said.stderr
    there = containers(line)
    assert {name: one["status"] for name, one in there.items()} == {
        "shop-web": "running",
        "shop-db": "running",
        "shop-migrate": "exited",
    }
    assert line.succeed("exec", "shop-web", "--", "busybox", "wget", "-qO-", "localhost:8080") == "the shop\n"
    assert planned(line) == {"db": ("keep", []), "migrate": ("start", []), "web": ("keep", [])}
    write(
        line, SPEC.replace('SECRET = "s"', 'SECRET = "t"').replace('"50ms" }}\nmounts', '"60ms" }}\nmounts')
    )
    assert planned(line)["db"] == ("recreate", ["variables"])
    line.succeed("up", "-d", "--wait")
    after = containers(line)
    assert after["shop-db"]["id"] != there["shop-db"]["id"]
    assert after["shop-web"]["id"] == there["shop-web"]["id"]
    assert line.succeed("exec", "shop-db", "--", "cat", "/tmp/ready") == "t\n"
    line.succeed("down")
    assert containers(line) == {}


@pytest.mark.one_kind
def test_a_dependency_that_dies_fails_the_start_at_once_with_its_last_lines(line):
    write(line, SPEC.replace("sleep 0.4", "echo no disk; exit 3"))
    began = time.monotonic()
    said = line.fail(36, "up", "-d")
    assert time.monotonic() - began < 20
    assert "the service db ended with 3" in said
    assert "no disk" in said
    assert "shop-web" not in containers(line)


@pytest.mark.one_kind
def test_a_health_check_that_never_passes_is_told_with_its_last_output(line):
    failing = '{ command = ["sh", "-c", "echo still cold; exit 1"], interval = "50ms", start-period = "0s" }'
    write(line, SPEC.replace('{ command = ["cat", "/tmp/ready"], start-interval = "50ms" }', failing))
    said = line.fail(36, "up", "-d")
    assert "the service db is unhealthy, and" in said
    assert "still cold" in said


@pytest.mark.one_plain_user
def test_a_check_that_hangs_is_killed_and_counted(line):
    hanging = '{ command = ["sleep", "60"], interval = "50ms", start-period = "0s", timeout = "100ms" }'
    write(line, SPEC.replace('{ command = ["cat", "/tmp/ready"], start-interval = "50ms" }', hanging))
    assert "it took longer than 0.1 s" in line.fail(36, "up", "-d")


@pytest.mark.one_plain_user
def test_ctrl_c_on_a_foreground_up_stops_in_the_reverse_order(line):
    process = subprocess.Popen(
        line.words("up"),
        cwd=line.directory,
        env=line.variables(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
    )
    assert process.stdout.readline() == "db      | up\n"
    end = time.monotonic() + 30
    while containers(line).get("shop-web", {}).get("status") != "running":
        assert time.monotonic() < end
        time.sleep(0.05)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    stopped = [text.split()[0] for text in said.splitlines() if text.endswith("stops")]
    assert stopped == ["web", "db"]
    assert {one["status"] for one in containers(line).values()} == {"exited"}


def test_what_a_service_stores_outlives_its_container_until_it_is_asked_for(line):
    text = f"""{HEAD}
        [services.db]
        command = ["sh", "-c", "echo x >> /data/log; cat /data/log; exec sleep 600"]
        volumes = ["data:/data"]
    """
    write(line, text)
    line.succeed("up", "-d")
    line.succeed("down")
    line.succeed("up", "-d")
    end = time.monotonic() + 20
    while line.succeed("logs", "shop-db") != "x\nx\n":
        assert time.monotonic() < end
        time.sleep(0.05)
    assert "belongs to the container shop-db" in line.fail(30, "volume", "rm", "shop-data")
    line.succeed("down", "--volumes")
    assert json.loads(line.succeed("volume", "ls", "--json")) == []


@pytest.mark.one_kind
def test_instances_stand_side_by_side(line):
    line.succeed("up", "-d", "db")
    line.succeed("up", "-d", "db", "--instance", "test")
    assert set(containers(line)) == {"shop-db", "shop-test-db"}
    line.succeed("down", "--instance", "test")
    assert set(containers(line)) == {"shop-db"}


@pytest.mark.one_kind
def test_services_that_the_spec_has_no_more_are_removed(line):
    line.succeed("up", "-d", "db")
    write(line, f'{HEAD}[services.other]\ncommand = ["sleep", "600"]\n')
    assert planned(line) == {"db": ("remove", []), "other": ("create", [])}
    line.succeed("up", "-d")
    assert set(containers(line)) == {"shop-other"}


@pytest.mark.one_kind
def test_what_is_wrong_is_told_and_nothing_is_left(line):
    assert "did you mean web?" in line.fail(26, "up", "-d", "webb")
    write(line, HEAD)
    assert "has no services" in line.fail(11, "up")
    assert "has no services" in line.fail(2, "down")
    write(line, f'{HEAD}[services.a]\ncommand = ["no-such-program"]\n')
    assert "no-such-program" in line.fail(36, "up", "-d")
    assert containers(line) == {}


def test_secrets_are_files_in_memory_and_nowhere_else(line):
    (line.directory / "key.txt").write_text("from a file")
    text = f"""{HEAD}
        [secrets]
        key = "file:key.txt"
        token = "variable:API_TOKEN"
        [services.web]
        command = ["sh", "-c", "cat /run/secrets/*; ls -ln /run/secrets; id -u; sleep 0.2; kill $$"]
        secrets = ["key", "token"]
        restart = "on-failure:1"
        [services.other]
        command = ["ls", "/run/secrets"]
    """
    write(line, text)
    asked = CommandLine(
        line.directory, line.store, line.home, {"API_TOKEN": "of 5up3r u53r", "ENVFORGE_ALLOW": "1"}
    )
    asked.succeed("up", "-d")
    end = time.monotonic() + 20
    while (log := line.succeed("logs", "shop-web")).count("from a fileof 5up3r u53r") < 2:  # a restart too
        assert time.monotonic() < end, log
        time.sleep(0.05)
    assert log.count("-rw-------") == 4
    assert containers(line)["shop-other"]["exit_code"] == 2  # ls has found nothing
    place = line.store / "containers" / str(containers(line)["shop-web"]["id"])
    for path in place.iterdir():
        if path.is_file() and path.name != "log":
            assert b"5up3r" not in path.read_bytes(), path
    assert "API_TOKEN is not set" in line.fail(11, "start", "shop-web")
    (line.directory / "key.txt").unlink()
    (line.directory / "key.txt").symlink_to("/etc/passwd")
    assert "key.txt" in asked.fail(11, "start", "shop-web")


def test_a_service_has_limits_of_its_own(line):
    text = f'{HEAD}[services.a]\ncommand = ["sleep", "600"]\nlimits = {{ pids = 77, required = false }}\n'
    write(line, text)
    line.succeed("up", "-d")
    (one,) = json.loads(line.succeed("ps", "--json"))
    assert one["limits"]["written"] == {"pids": 77, "required": False}
    write(line, text.replace("77", "78"))
    assert planned(line) == {"a": ("restart", ["limits"])}
    line.succeed("up", "-d")
    assert {one["service"]: one["action"] for one in json.loads(line.succeed("up", "--plan", "--json"))} == {
        "a": "keep"
    }


@pytest.mark.one_kind
@pytest.mark.cgroup
def test_limits_that_were_updated_stay_until_those_of_the_spec_change(line):
    text = f'{HEAD}[services.a]\ncommand = ["sleep", "600"]\nlimits = {{ pids = 77 }}\n'
    write(line, text)
    line.succeed("up", "-d")
    line.succeed("update", "--pids-limit", "33", "a")

    def limit() -> int:
        return json.loads(line.succeed("stats", "--json", "a"))[0]["pids_limit"]

    assert planned(line) == {"a": ("keep", [])}
    line.succeed("up", "-d")
    assert limit() == 33
    line.succeed("stop", "a")
    line.succeed("up", "-d")
    assert limit() == 33, "after a new start too"
    write(line, text.replace("77", "78"))
    assert planned(line) == {"a": ("restart", ["limits"])}
    line.succeed("up", "-d")
    assert limit() == 78
    assert planned(line) == {"a": ("keep", [])}


def answered(port: int) -> bytes:
    """Return what the server behind a port answers; nothing where there is none."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
            connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
            return connection.makefile("rb").read()  # header and body may come one by one
    except OSError:
        return b""


def await_answer(port: int) -> bytes:
    """Return the answer once there is one."""
    end = time.monotonic() + 60
    while not (said := answered(port)):
        assert time.monotonic() < end
        time.sleep(0.02)
    return said


def test_a_published_port_is_reached_until_its_container_ends(line):
    server = ["busybox", "httpd", "-f", "-p", "8080", "-h", "/etc"]
    # `succeed` reads stdout and stderr to their ends: nothing that stays behind may hold them.
    line.succeed("run", "-d", "--name", "web", "-p", "auto:8080", "--", *server)
    for again in (False, True):
        if again:
            line.succeed("start", "web")
        (published,) = containers(line)["web"]["ports"]
        assert await_answer(published["host"]).startswith(b"HTTP/1")
        line.succeed("stop", "web")
        assert answered(published["host"]) == b""


def test_a_service_publishes_ports(line):
    text = SPEC.replace("depends-on", 'publish = ["auto:8080"]\ndepends-on', 1)
    write(line, text)
    line.succeed("up", "--wait")
    (published,) = containers(line)["shop-web"]["ports"]
    assert await_answer(published["host"]).endswith(b"the shop\n")


def test_a_taken_port_is_an_error_and_nothing_is_left(line):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        said = line.fail(125, "run", "-d", "-p", f"{port}:80", "--", "sleep", "60")
    assert str(port) in said
    assert containers(line) == {}


def test_services_reach_each_other_by_name(line):
    write(
        line,
        f"""{HEAD}
[services.web]
command = ["busybox", "httpd", "-f", "-p", "8080", "-h", "/srv"]
publish = ["auto:8080"]
mounts = [{{ source = "public", target = "/srv" }}]

[services.client]
command = ["sh", "-c", "until busybox wget -qO- http://web:8080/; do sleep 0.1; done; exec sleep 600"]
""",
    )
    line.succeed("up", "-d")
    end = time.monotonic() + 30
    while "the shop" not in line.succeed("logs", "shop-client"):
        assert time.monotonic() < end
        time.sleep(0.1)
    hosts = line.succeed("exec", "shop-client", "--", "cat", "/etc/hosts")
    assert "\tweb shop-web\n" in hosts
    assert (
        line.succeed("exec", "shop-web", "--", "busybox", "wget", "-qO-", "http://localhost:8080/")
        == "the shop\n"
    )
    (port,) = containers(line)["shop-web"]["ports"]
    fetched = ["busybox", "wget", "-qO-", f"http://127.0.0.1:{port['host']}/"]
    assert subprocess.run(fetched, capture_output=True, text=True, check=True).stdout == "the shop\n"
    line.succeed("down")
    assert not containers(line)


@pytest.mark.one_plain_user
def test_services_names_are_taken_where_containers_are(line):
    write(
        line,
        f"""{HEAD}
[services.web]
command = ["sleep", "600"]
variables = {{ COLOUR = "blue" }}
workdir = "/tmp"
[services.db]
command = ["sleep", "600"]
""",
    )
    line.succeed("up", "-d")
    line.succeed("up", "-d", "--instance", "test", "web")
    there = containers(line)
    assert line.succeed("exec", "web", "--", "sh", "-c", "echo $COLOUR; pwd") == "blue\n/tmp\n"
    if not capabilities.ranges():  # with a single id nothing runs as another user
        as_root = ("exec", "-u", "root", "web", "--", "sh", "-c", "echo $COLOUR; id -u")
        assert line.succeed(*as_root) == "blue\n0\n"
        own = line.succeed("exec", "web", "--", "readlink", "/proc/self/ns/net")
        script = "id -u; readlink /proc/self/ns/net"
        as_another = ("exec", "-u", "daemon", "web", "--", "sh", "-c", script)
        assert line.succeed(*as_another) == f"1\n{own}", "in its private network"
    else:
        assert "no ids for the user root" in line.fail(125, "exec", "-u", "root", "web", "--", "true")
    assert json.loads(line.succeed("inspect", "web"))[0]["id"] == there["shop-web"]["id"]
    assert json.loads(line.succeed("stats", "--json", "db"))[0]["name"] == "shop-db"
    line.succeed("restart", "-t", "0", "web")
    assert containers(line)["shop-web"]["pid"] != there["shop-web"]["pid"]
    assert line.succeed("stop", "-t", "0", "--instance", "test", "web") == "web\n"
    after = containers(line)
    assert (after["shop-test-web"]["status"], after["shop-web"]["status"]) == ("exited", "running")
    assert "--instance" in line.fail(26, "stop", "--instance", "other", "web")
    elsewhere = CommandLine(line.home, line.store, line.home)
    assert "no such container" in elsewhere.fail(26, "stop", "web")
    line.succeed("down", "web")
    assert set(containers(line)) == {"shop-db", "shop-test-web"}
    assert "no service" in line.fail(26, "down", "nonsense")
    line.succeed("run", "-d", "--name", "db", "--", "sleep", "600")
    line.succeed("stop", "-t", "0", "db")
    after = containers(line)
    assert (after["db"]["status"], after["shop-db"]["status"]) == ("exited", "running"), "a name comes first"


TALKING = f"""{HEAD}
[services.web]
command = ["sh", "-c", "echo web 1; sleep 0.3; echo web 2; exec sleep 600"]
[services.database]
command = ["sh", "-c", "sleep 0.15; echo database 1 >&2; sleep 0.3; printf 'database\\\\t2'; exec sleep 600"]
"""


def following(line: CommandLine, *words: str) -> subprocess.Popen[str]:
    """Begin to follow logs."""
    return subprocess.Popen(
        line.words("logs", "-f", *words), cwd=line.directory, stdout=subprocess.PIPE, text=True, bufsize=1
    )


def read_until(process: subprocess.Popen[str], text: str) -> list[str]:
    """Return the lines up to the one with that text."""
    found = []
    while not found or text not in found[-1]:
        found.append(process.stdout.readline())
        assert found[-1], f"it ended after {found}"
    return [one.rstrip("\n") for one in found]


@pytest.mark.one_kind
def test_logs_of_all_services_are_merged_by_time(line):
    write(line, TALKING)
    line.succeed("up", "-d")
    time.sleep(0.8)
    said = line.run("logs")
    assert (said.stdout, said.stderr) == (
        "web      | web 1\nweb      | web 2\n",
        "database | database 1\n",
    ), "the last line has not ended"
    line.succeed("stop", "-t", "0", "database")
    values = [json.loads(one) for one in line.succeed("logs", "--json").splitlines()]
    assert [(one["service"], one["stream"], one["text"]) for one in values] == [
        ("web", "stdout", "web 1"),
        ("database", "stderr", "database 1"),
        ("web", "stdout", "web 2"),
        ("database", "stdout", "database\t2"),
    ]
    assert [one["time"] for one in values] == sorted(one["time"] for one in values)
    assert line.succeed("logs", "-n", "1") == "web      | web 2\ndatabase | database\t2\n"
    assert line.succeed("logs", "web") == "web 1\nweb 2\n", "one alone is as it wrote it"
    assert line.succeed("logs", "web", "shop-database").splitlines()[-1] == "shop-database | database\t2"
    assert line.succeed("logs", "-t", "-n", "1").startswith(f"web      | {values[2]['time']} web 2")
    assert line.succeed("logs", "--since", values[3]["time"][:26] + "Z") == "database | database\t2\n"
    assert line.succeed("logs", "--instance", "other") == ""
    elsewhere = CommandLine(line.home, line.store, line.home)
    assert "logs NAME" in elsewhere.fail(2, "logs")


@pytest.mark.one_kind
def test_following_all_sees_restarts_and_newcomers_and_ends_with_the_last(line):
    write(line, TALKING)
    line.succeed("up", "-d", "web")
    process = following(line)
    assert read_until(process, "web 2") == ["web | web 1", "web | web 2"]
    line.succeed("restart", "-t", "0", "web")
    assert read_until(process, "web 2") == ["web | web 1", "web | web 2"]
    line.succeed("up", "-d", "database")
    line.succeed("up", "-d", "--force-recreate", "web")
    assert "web      | web 2" in read_until(process, "web 2")
    line.succeed("down")
    rest, _ = process.communicate(timeout=20)
    assert rest == "database | database\t2\n"
    assert process.returncode == 0


@pytest.mark.one_kind
def test_prefixes_have_colours_on_a_terminal_only_and_lines_steer_none(line):
    write(
        line,
        HEAD
        + "".join(
            f'[services.s{number}]\ncommand = ["printf", "one\\\\r\\\\033[2J\\\\033[31mtwo\\\\n"]\n'
            for number in range(6)
        ),
    )
    line.succeed("up", "-d")
    words = shlex.join(line.words("logs"))
    screen = {**os.environ, "TERM": "xterm"}
    screen.pop("NO_COLOR", None)
    on_terminal = ["script", "-qec", words, "/dev/null"]
    said = subprocess.run(
        on_terminal, cwd=line.directory, env=screen, capture_output=True, text=True, check=True
    ).stdout
    assert said.count("\x1b[36ms") == 2, "five colours for six services"
    assert "\x1b[2J" not in said
    assert said.count("one\x1b[31mtwo") == 6
    plain = subprocess.run(
        on_terminal,
        cwd=line.directory,
        env={**screen, "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "\x1b[36m" not in plain
    assert "\x1b[3" not in line.succeed("logs").replace("\x1b[31mtwo", "")


@pytest.mark.one_kind
def test_a_client_that_reads_nothing_keeps_the_supervisor_from_nothing(line):
    (line.directory / "public" / "big").write_bytes(bytes(32 << 20))
    server = ["busybox", "httpd", "-f", "-p", "8080", "-h", "public"]
    line.succeed("run", "-d", "--name", "web", "-p", "auto:8080", "--", *server)
    (published,) = containers(line)["web"]["ports"]
    assert await_answer(published["host"])
    directory = line.store / "containers" / str(containers(line)["web"]["id"])
    with socket.create_connection(("127.0.0.1", published["host"])) as client:
        client.sendall(b"GET /big HTTP/1.0\r\n\r\n")
        assert client.recv(1) == b"H"
        time.sleep(0.3)  # every buffer on the way is full by then
        stopping = subprocess.Popen(line.words("stop", "-t", "0", "web"), cwd=line.directory)
        end = time.monotonic() + 20
        while (state := json.loads((directory / "state.json").read_text()))["pid"]:
            assert time.monotonic() < end
            time.sleep(0.01)
        assert state["status"] == "stopping"
        with pytest.raises(ConflictError):  # it answers at once
            control.ask(str(directory), {"do": "kill", "signal": 15})
        assert json.loads((directory / "state.json").read_text())["status"] == "stopping"
        assert stopping.wait(timeout=20) == 0
    assert containers(line)["web"]["status"] == "exited"
    line.succeed("start", "web")
    assert await_answer(containers(line)["web"]["ports"][0]["host"])


@pytest.mark.one_plain_user
def test_a_single_command_has_what_a_service_has(line):
    write(
        line,
        f"""{HEAD}
[services.web]
command = ["busybox", "httpd", "-f", "-p", "8080", "-h", "/srv"]
variables = {{ COLOUR = "blue" }}
mounts = [{{ source = "public", target = "/srv" }}]
volumes = ["kept:/kept"]
publish = ["auto:8080"]
workdir = "/srv"
depends-on = ["db"]
[services.db]
command = ["sh", "-c", "sleep 0.3; touch /tmp/ready; exec sleep 600"]
health = {{ command = ["cat", "/tmp/ready"], start-interval = "50ms" }}
""",
    )
    script = "echo $COLOUR $ADDED; pwd; cat index.html; touch /kept/me; exit 5"
    said = line.run("run", "-e", "ADDED=too", "web", "--", "sh", "-c", script)
    assert (said.returncode, said.stdout) == (5, "blue too\n/srv\nthe shop\n"), said.stderr
    assert set(containers(line)) == {"shop-db"}, "what it depends on was brought up, and it is gone"
    assert "is healthy" in said.stderr or "db" in said.stderr
    line.succeed("up", "-d")
    before = containers(line)
    through = line.run(
        "run", "web", "--", "sh", "-c", "cat; ls /kept; busybox wget -qO- web:8080", stdin="in\n"
    )
    assert through.stdout == "in\nme\nthe shop\n", through.stderr
    assert containers(line).keys() == before.keys()
    assert line.succeed("exec", "db", "--", "busybox", "wget", "-qO-", "web:8080") == "the shop\n"
    line.succeed("run", "-d", "--name", "job", "web", "--", "sleep", "600")
    assert containers(line)["job"]["ports"] == []
    assert line.succeed("exec", "job", "--", "busybox", "wget", "-qO-", "web:8080") == "the shop\n"
    assert planned(line) == {"db": ("keep", []), "web": ("keep", [])}
    line.succeed("rm", "-f", "job")


@pytest.mark.one_plain_user
def test_a_single_command_takes_volumes_ports_and_limits_of_its_own(line):
    write(
        line,
        f"""{HEAD}
[services.web]
command = ["busybox", "httpd", "-f", "-p", "8080", "-h", "/kept"]
volumes = ["mine:/kept"]
publish = ["auto:8080"]
limits = {{ pids = 300, required = false }}
[services.lone]
command = ["true"]
network = "none"
""",
    )
    (line.directory / "other").mkdir()
    (line.directory / "other" / "index.html").write_text("the other\n")
    server = ("web", "--", "busybox", "httpd", "-f", "-p", "8080", "-h", "/kept")
    for name, options, ports in (
        ("none", (), 0),
        ("more", ("-p", "auto:9000", "--service-ports"), 2),
        ("other", ("-p", "auto:8080", "-v", "./other:/kept", "-v", "more:/more:ro"), 1),
    ):
        line.succeed("run", "-d", "--name", name, "--pids-limit", "77", *options, *server)
        assert len(containers(line)[name]["ports"]) == ports
        assert containers(line)[name]["limits"]["asked"] == ["pids"]
    assert await_answer(containers(line)["other"]["ports"][0]["host"]).endswith(b"the other\n"), "instead"
    assert line.run("exec", "other", "--", "touch", "/more/file").returncode == 1
    assert "other" in line.fail(30, "volume", "rm", "more")
    assert "more, none" in line.fail(30, "volume", "rm", "shop-mine")
    assert 'network = "none"' in line.fail(125, "run", "-p", "auto:1", "lone", "--", "true")


@pytest.mark.one_kind
def test_what_is_no_service_before_the_dashes_is_a_command(line):
    write(line, f'{HEAD}\n[services.echo]\ncommand = ["sleep", "600"]\n')
    assert line.succeed("run", "printf", "--", "%s", "a") == "a"
    assert line.succeed("run", "--", "echo", "--", "a") == "-- a\n", "behind dashes no word is a service"
    assert line.run("run", "echo", "--", "sh", "-c", "exit 7").returncode == 7
    assert line.run("run", "echo", "--", "nothing-like-it").returncode == 127
    assert "for a service" in line.fail(125, "run", "--service-ports", "--", "true")
    assert containers(line) == {}


def test_a_named_container_can_be_in_the_foreground(line):
    write(line, HEAD)
    script = "seq 20000; echo no >&2; exit 3"
    said = line.run("run", "--name", "job", "--", "sh", "-c", script)
    assert (said.returncode, said.stderr) == (3, "no\n")
    assert said.stdout.split() == [str(number) for number in range(1, 20001)], (
        "from the beginning, and all of it"
    )
    assert containers(line)["job"]["exit_code"] == 3
    assert "in use" in line.fail(125, "run", "--name", "job", "--", "true")
    line.succeed("rm", "job")
    assert line.run("run", "--rm", "--name", "job", "--", "cat", stdin="x\n").stdout == "x\n"
    assert containers(line) == {}
    process = subprocess.Popen(
        line.words(
            "run",
            "--rm",
            "--name",
            "job",
            "--",
            "sh",
            "-c",
            "trap 'exit 9' TERM; echo on; while :; do sleep 0.1; done",
        ),
        cwd=line.directory,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "on\n"
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=20) == 9
    assert containers(line) == {}


@pytest.mark.one_plain_user
def test_garbage_is_collected_beside_containers_that_come_and_go(line):
    write(line, HEAD)
    line.succeed("run", "-d", "--name", "kept", "--", "sleep", "600")
    line.succeed("stop", "-t", "0", "kept")
    again = f"for i in 1 2 3 4 5 6; do {shlex.join(line.words('gc', '--now', '--gone'))} || exit; done"
    collecting = subprocess.Popen(
        ["sh", "-c", again],
        cwd=line.directory,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    for _ in range(6):
        line.succeed("start", "kept")
        line.succeed("run", "-d", "--rm", "--name", "brief", "--", "true")
        line.succeed("stop", "-t", "0", "kept")
    _, said = collecting.communicate(timeout=120)
    assert collecting.returncode == 0, said
    line.succeed("start", "kept")
    assert line.succeed("exec", "kept", "--", "echo", "in") == "in\n"


def test_named_volumes_are_mounted_by_run_too(line):
    write(line, HEAD)
    assert line.succeed("run", "-v", "kept:/kept", "--", "sh", "-c", "echo a > /kept/file; id -u")
    assert "kept" in line.succeed("volume", "ls")
    line.succeed("run", "-d", "--name", "web", "-v", "kept:/srv:ro", "--", "sleep", "600")
    assert line.succeed("exec", "web", "--", "cat", "/srv/file") == "a\n"
    assert line.run("exec", "web", "--", "touch", "/srv/other").returncode == 1
    assert "web" in line.fail(30, "volume", "rm", "kept")
    assert line.run("run", "--", "ls", "/kept").returncode == 2, "no plan with it is kept for others"
    line.succeed("run", "-v", "./public:/kept", "--", "ls", "/kept/index.html")
    assert "no name" in line.fail(125, "run", "-v", "No Name:/x", "--", "true")
    line.succeed("rm", "-f", "web")
    with subprocess.Popen(
        line.words("run", "-v", "kept:/kept", "--", "sh", "-c", "echo on; read line"),
        cwd=line.directory,
        env=line.variables(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as run:
        assert run.stdout.readline() == "on\n"
        there = {one["name"]: one["containers"] for one in json.loads(line.succeed("volume", "ls", "--json"))}
        assert there["kept"][0] in line.fail(30, "volume", "rm", "kept"), "what uses it is named"
        run.communicate("\n")
    line.succeed("volume", "rm", "kept")
