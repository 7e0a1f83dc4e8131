"""`build` and `lock` with nothing to do are answered without loading what would do it, and only then."""

import pytest
from attrs import evolve

pytestmark = [pytest.mark.userns, pytest.mark.archive, pytest.mark.one_kind]


def is_warm(project, *words):
    traced = evolve(project, environment={**project.environment, "PYTHONPROFILEIMPORTTIME": "1"})
    result = traced.run(*words)
    assert result.returncode == 0, result.stderr
    return "envforge.api" not in result.stderr


@pytest.mark.parametrize("command", ["build", "lock"])
def test_nothing_to_do_is_answered_from_what_is_known(project, command):
    first = project.succeed(command)
    assert is_warm(project, command)
    assert project.succeed(command).rpartition(",")[0] == first.rpartition(",")[0]
    assert is_warm(project, command, "--check" if command == "lock" else "--locked")
    for words in (("-q", command), (command, "--json")):
        assert not is_warm(project, *words)


def test_whatever_changes_is_looked_at_again(project, spec):
    path = project.directory / "envforge.toml"
    project.succeed("build")
    assert is_warm(project, "build")
    path.write_text(spec + "\n# a comment\n")
    assert not is_warm(project, "build")
    path.write_text(spec + '[variables]\nA = "1"\n')
    project.succeed("build")
    path.write_text(spec)
    assert not is_warm(project, "build"), "another generation came between"
    assert is_warm(project, "build")
    (project.directory / "envforge.lock").touch()
    assert is_warm(project, "build"), "the bytes count"
    environments = project.store / "environments"
    moved = environments.rename(project.store / "moved")
    assert not is_warm(project, "lock", "--json")
    moved.rename(environments)
