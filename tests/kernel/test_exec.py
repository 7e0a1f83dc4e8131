"""`envforge exec`: a further command inside what runs in another terminal."""

import json
import subprocess
from collections.abc import Callable

import pytest
from commandline import COMMAND, CommandLine

from envforge.sandbox.ids.identity import detect

pytestmark = [pytest.mark.userns, pytest.mark.archive, pytest.mark.one_plain_user]


@pytest.fixture
def begin(project: CommandLine) -> Callable[..., subprocess.Popen]:
    """Start something in the project that says when it is there, and ends when its stdin does."""
    started = []

    def start(*options: str, line: CommandLine = project) -> subprocess.Popen:
        process = subprocess.Popen(
            line.words("run", *options, "--", "sh", "-c", "touch /tmp/here; echo ready; cat"),
            cwd=line.directory,
            env=line.variables(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        assert process.stdout.readline() == "ready\n"
        return process

    yield start
    for process in started:
        process.communicate(timeout=20)


def test_it_runs_inside_what_runs_for_the_project(project, begin):
    assert "nothing runs" in project.fail(125, "exec", "--", "true")
    begin("-e", "A=of the first")
    assert project.succeed("exec", "--", "ls", "/tmp/here") == "/tmp/here\n"
    assert project.succeed("exec", "small", "--", "pwd") == f"{project.directory}\n"
    script = 'echo "$A $B $PWD"; exit 3'
    result = project.run("exec", "-e", "B=b", "-w", "/etc", "--", "sh", "-c", script)
    assert (result.returncode, result.stdout, result.stderr) == (3, " b /etc\n", "")
    assert project.run("exec", "--", "no-such-program").returncode == 127
    assert "no user" in project.fail(125, "exec", "-u", "nobody-there", "--", "true")
    if detect().held == "flat":
        assert "no ids for the user root" in project.fail(125, "exec", "-u", "root", "--", "true")
    else:
        assert project.succeed("exec", "-u", "root", "--", "id", "-u") == "0\n"
    assert project.succeed("exec", "-it", "--", "cat", stdin="through\n") == "through\n"


def test_it_lists_what_runs_and_says_so_where_several_do(project, begin):
    assert json.loads(project.succeed("exec", "--json")) == []
    first, _ = begin(), begin()
    listed = json.loads(project.succeed("exec", "--json"))
    assert [one["name"] for one in listed] == ["small", "small"]
    assert {one["spec"] for one in listed} == {f"{project.directory}/envforge.toml"}
    assert listed[0]["command"][:2] == ["sh", "-c"]
    said = project.fail(125, "exec", "--", "true")
    assert all(one["id"] in said for one in listed)
    assert project.succeed("exec", listed[1]["id"], "--", "echo", "-n", "--", "x") == "-- x"
    assert listed[0]["id"] in project.succeed("exec")
    first.communicate(timeout=20)
    assert project.succeed("exec", "--", "echo", "again") == "again\n"


def test_names_and_ids_are_completed(project, begin):
    begin()
    (one,) = json.loads(project.succeed("exec", "--json"))
    asked = {"_ENVFORGE_COMPLETE": "bash_complete", "COMP_WORDS": "envforge exec ", "COMP_CWORD": "2"}
    said = subprocess.run(
        [COMMAND], env=project.variables() | asked, capture_output=True, text=True, check=False
    ).stdout.splitlines()
    assert said == ["plain,small", f"plain,{one['id']}"]


def test_a_wrong_line_is_told(project, begin):
    assert "one name" in project.fail(125, "exec", "a", "b", "--", "true")
    assert "needs a command" in project.fail(125, "exec", "a", "--")
    begin()
    assert "nothing runs" in project.fail(125, "exec", "no-such-one", "--", "true")
