"""Every spec of specs/ is built and used for what it is there for, some built again with equal digests."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from commandline import CommandLine

from envforge.sandbox.ids.identity import detect

pytestmark = [pytest.mark.userns, pytest.mark.archive]

SPECS = Path(__file__).parents[2] / "specs"
TWICE = [
    "hello",
    pytest.param("python-web", marks=pytest.mark.one_id),
    pytest.param("database", marks=pytest.mark.root),
]
"""Built a second time here; `python -m tests.digests` builds all, in every way in which they might differ."""


@pytest.fixture(scope="module")
def top() -> Iterator[Path]:
    """A copy of the specs, with a home and a store that they share, on a disk."""
    directory = Path(tempfile.mkdtemp(prefix="envforge-test-specs-", dir="/var/tmp"))
    shutil.copytree(SPECS, directory / "specs", ignore=shutil.ignore_patterns("envforge.lock", "data"))
    (directory / "home").mkdir()
    if os.geteuid() == 0:  # as the spec says
        with open(directory / "specs/database/envforge.toml", "a", encoding="utf-8") as spec:
            spec.write("\n[shell]\nnested = true\n")
        with open(directory / "specs/web-and-database/envforge.toml", "a", encoding="utf-8") as spec:
            spec.write("\n[environments.db.shell]\nnested = true\n")
    yield directory
    CommandLine(directory, directory / "store", directory / "home").run("store", "destroy", "--yes")
    shutil.rmtree(directory, ignore_errors=True)


def line(top: Path, name: str) -> CommandLine:
    return CommandLine(top / "specs" / name, top / "store", top / "home", {"ENVFORGE_ALLOW": "1"})


def free_port() -> str:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return str(listener.getsockname()[1])


@contextmanager
def served(line: CommandLine, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run a server in the environment; afterwards Ctrl-C has to end it, and all that belongs to it."""
    server = subprocess.Popen(
        line.words("run", *arguments),
        cwd=line.directory,
        env=line.variables(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        yield server
    finally:
        os.killpg(server.pid, signal.SIGINT)
        try:
            server.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)
            server.communicate()
            raise


def fetched(server: subprocess.Popen[str], url: str) -> str:
    for _ in range(600):
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                return answer.read().decode()
        except OSError:
            assert server.poll() is None, server.stdout.read()
            time.sleep(0.1)
    pytest.fail(f"nothing answers at {url}")


def test_hello(top):
    assert line(top, "hello").succeed("run", "--", "hello") == "Hello, world!\n"


def test_python_web_serves_a_page(top):
    port = free_port()
    web = line(top, "python-web")
    web.succeed("build")
    with served(web, "-e", f"PORT={port}", "--", "python3", "app.py") as server:
        assert "<h1>It works</h1>" in fetched(server, f"http://127.0.0.1:{port}/")
        about = json.loads(fetched(server, f"http://127.0.0.1:{port}/about.json"))
        assert about["python"].startswith("3.11.")
        assert "bookworm" in about["system"]
        script = f"curl -fsS http://127.0.0.1:{port}/about.json"
        assert json.loads(web.succeed("run", "--", "sh", "-c", script)) == about


@pytest.mark.one_id
def test_node_web_serves_a_page_and_passes_its_own_test(top):
    port = free_port()
    web = line(top, "node-web")
    assert re.search(
        r"^# pass 1$", web.succeed("run", "--", "node", "--test", "--test-reporter=tap"), re.MULTILINE
    )
    with served(web, "-e", f"PORT={port}", "--", "node", "app.js") as server:
        assert "Node.js v20." in fetched(server, f"http://127.0.0.1:{port}/")
        assert json.loads(fetched(server, f"http://127.0.0.1:{port}/visits")) == {"visits": 1}


@pytest.mark.one_id
def test_c_toolchain_compiles_and_checks(top):
    tools = line(top, "c-toolchain")
    tools.succeed("run", "--", "make")
    assert tools.succeed("run", "--", "./hello", "you") == "hello, you\n"
    assert (tools.directory / "hello").stat().st_uid == os.geteuid()
    tools.succeed("run", "--", "make", "check")
    told = tools.succeed("run", "--", "gdb", "-batch", "-ex", "break greeting", "-ex", "run", "./hello")
    assert 'greeting (name=name@entry="' in told or "greeting (name=" in told


@pytest.mark.one_id
def test_java_compiles_and_runs(top):
    java = line(top, "java")
    told = "fibonacci(100) = 354224848179261915075\n"
    assert java.succeed("run", "--", "java", "Main.java", "100").startswith(told)
    script = "javac -d classes Main.java && java -cp classes Main 100"
    assert java.succeed("run", "--", "sh", "-c", script).startswith(told)


@pytest.mark.one_id
def test_data_science_makes_its_report(top):
    told = line(top, "data-science").succeed("run", "--", "python3", "report.py", "measurements.csv")
    assert re.search(r"^harbour +4 +14\.95 +1\.02 +0\.42$", told, re.MULTILINE)
    assert re.search(r"^airport +3 +17\.53 ", told, re.MULTILINE)


@pytest.mark.one_id
def test_database_keeps_what_it_is_told(top):
    database = line(top, "database")
    ports = ("-e", f"PGPORT={free_port()}", "-e", f"REDIS_PORT={free_port()}")
    fill = "psql -qc 'create table kept as select 42 as answer' && redis-cli -p $REDIS_PORT set kept 43"
    database.succeed("run", *ports, "--", "./start.sh", "sh", "-c", fill)
    ask = "psql -Atc 'select answer from kept' && redis-cli -p $REDIS_PORT get kept"
    assert database.succeed("run", *ports, "--", "./start.sh", "sh", "-c", ask) == "42\n43\n"
    assert (database.directory / "data" / "postgres" / "PG_VERSION").stat().st_uid == os.geteuid()


@pytest.mark.one_id
def test_database_serves_until_it_is_interrupted(top):
    database = line(top, "database")
    port, redis = free_port(), free_port()
    with served(database, "-e", f"PGPORT={port}", "-e", f"REDIS_PORT={redis}", "--", "./start.sh") as server:
        assert "postgresql on 127.0.0.1" in "".join(iter_until(server, "Ctrl-C"))
        with socket.create_connection(("127.0.0.1", int(redis)), timeout=30) as client:
            client.sendall(b"PING\r\n")
            assert client.recv(16) == b"+PONG\r\n"
    assert not (database.directory / "data" / "postgres" / "postmaster.pid").exists()


@pytest.mark.one_id
def test_an_application_and_its_database_are_two_environments_of_a_project(top):
    shop = line(top, "web-and-database")
    for name in ("default", "test", "db"):
        shop.succeed("build", "-E", name)
    assert shop.run("run", "--", "postgres", "--version").returncode == 127
    assert shop.run("run", "-E", "db", "--", "python3", "--version").returncode == 127
    port = free_port()
    with served(shop, "-E", "db", "--", "./database.sh") as database:
        assert "ready to accept connections" in "".join(iter_until(database, "ready to accept"))
        with served(shop, "-e", f"PORT={port}", "--", "python3", "app.py") as server:
            pages = [fetched(server, f"http://127.0.0.1:{port}/") for _ in range(2)]
        assert ["<h1>Visit 1</h1>" in pages[0], "<h1>Visit 2</h1>" in pages[1]] == [True, True]
        tests = shop.run("run", "-E", "test", "--", "python3", "-m", "unittest")
        assert "Ran 2 tests" in tests.stderr
        assert tests.returncode == 0, tests.stderr
        ask = f"psql -h {shop.directory}/data -U postgres -Atc 'select count(*) from visits' shop"
        assert shop.succeed("run", "-E", "db", "--", "sh", "-c", ask) == "4\n"
    assert not (shop.directory / "data" / "postgres" / "postmaster.pid").exists()
    assert (shop.directory / "data" / "postgres" / "PG_VERSION").stat().st_uid == os.geteuid()


def iter_until(server: subprocess.Popen[str], word: str) -> Iterator[str]:
    for text in server.stdout:
        yield text
        if word in text:
            return


def test_a_page_its_database_and_a_cache_are_services(top):
    shop = line(top, "services")
    spec = shop.directory / "envforge.toml"
    spec.write_text(spec.read_text().replace("8000:8000", "auto:8000"))  # another run may have that one
    if detect().held == "flat":
        assert "running as the user postgres needs several ids" in shop.fail(22, "up", "-d")
        return
    shop.succeed("up", "-d", "--wait")
    try:
        assert "Visit 1" in visited(shop)
        shop.succeed("down")
        assert json.loads(shop.succeed("ps", "-a", "--json")) == []
        shop.succeed("up", "-d", "--wait")
        assert "Visit 2" in visited(shop)  # the database's volume has stayed
        assert {
            one["service"]: one["action"] for one in json.loads(shop.succeed("up", "--plan", "--json"))
        } == {
            "db": "keep",
            "cache": "keep",
            "web": "keep",
        }
    finally:
        shop.succeed("down", "--volumes")
    assert json.loads(shop.succeed("volume", "ls", "--json")) == []


def visited(shop: CommandLine) -> str:
    """Return the page, by the port that the service publishes."""
    listed = {one["name"]: one for one in json.loads(shop.succeed("ps", "--json"))}
    (published,) = listed["shop-web"]["ports"]
    with urllib.request.urlopen(f"http://127.0.0.1:{published['host']}/", timeout=20) as answer:
        return answer.read().decode()


@pytest.mark.ranges
def test_browser_needs_nested_namespaces(top):
    browser = line(top, "browser")
    spec = browser.directory / "envforge.toml"
    asking = spec.read_text()
    browser.succeed("build")
    spec.write_text(asking.replace("nested = true", "nested = false"))
    try:
        user = ["-u", "nobody"] if os.geteuid() == 0 else []
        refused = browser.run("run", *user, "--", "chromium-headless-shell", "--dump-dom", "about:blank")
    finally:
        spec.write_text(asking)
    assert refused.returncode != 0
    assert "sandbox" in refused.stderr


@pytest.mark.ranges
def test_browser_runs_a_script_in_a_sandbox_of_its_own(top):
    browser = line(top, "browser")
    user = ["-u", "nobody"] if os.geteuid() == 0 else []  # a browser of user 0 wants no sandbox
    for path in (browser.directory, top):
        path.chmod(0o755)
    assert browser.succeed("run", *user, "--", "./look.sh", "page.html") == "1 + 2 + … + 100 = 5050\n"


@pytest.mark.parametrize("name", TWICE)
def test_two_builds_have_equal_digests(top, name):
    told = json.loads(line(top, name).succeed("verify", "--json"))
    assert told["differences"] == []
    assert told["identical"] is True
