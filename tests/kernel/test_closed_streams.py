"""Standard streams that are closed or full: the exit code tells, and no other file gets the output."""

import os
import subprocess
import sys

import pytest

pytestmark = [pytest.mark.userns, pytest.mark.archive, pytest.mark.one_kind]

FAILING = [(["nonsense"], 2), (["show"], 11), (["show", "--json"], 11), (["run", "--", "true"], 125)]


@pytest.mark.parametrize("streams", ["2>&-", "2>/dev/full", ">&- 2>&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize(("words", "code"), FAILING)
def test_a_failure_has_its_code_where_its_words_go_nowhere(tmp_path, words, code, streams):
    assert _typed(tmp_path, words, streams).returncode == code


@pytest.mark.parametrize("streams", [">&-", "<&- >&-"])
def test_what_prints_into_nothing_ends_well(tmp_path, streams):
    assert _typed(tmp_path, ["--version"], streams).returncode == 0
    assert _typed(tmp_path, ["ps"], streams).returncode == 0


@pytest.mark.parametrize("words", [["--version"], ["ps"], ["ls", "--help"]])
def test_output_that_does_not_fit_is_an_error(tmp_path, words):
    said = _typed(tmp_path, words, ">/dev/full")
    assert said.returncode == 20
    assert said.stderr.startswith(b"error: no space left")
    assert b"Exception" not in said.stderr


def test_an_answer_that_is_known_and_does_not_fit_is_an_error(project):
    for _ in ("cold", "warm"):
        assert project.succeed("build")
    assert _typed(project.directory, ["build"], ">/dev/full", project.variables()).returncode == 20


@pytest.mark.parametrize("streams", ["<&-", "2>&-", "<&- 2>&-"])
def test_a_command_inside_has_all_three_streams(project, streams):
    script = "for one in 0 1 2; do readlink /proc/self/fd/$one; done; echo lost >&2; cat"
    for _ in ("cold", "warm"):
        said = _typed(project.directory, ["run", "--", "sh", "-c", script], streams, project.variables())
        assert said.returncode == 0
        assert said.stdout.count(b"\n") == 3, said.stdout


def _typed(directory, words, streams, variables=None):
    command = [sys.executable, "-m", "envforge", *words]
    return subprocess.run(
        ["sh", "-c", f'exec "$@" {streams}', "sh", *command],
        cwd=directory,
        env={**(variables or os.environ | {"HOME": str(directory)}), "PYTHONUNBUFFERED": ""},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        timeout=60,
    )
