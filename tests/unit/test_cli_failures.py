import errno
import json

import pytest

from envforge import errors
from envforge.cli.failures import report
from envforge.cli.settings import Settings

KINDS = [
    value
    for value in vars(errors).values()
    if isinstance(value, type) and issubclass(value, errors.EnvforgeError)
]


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_told_with_its_own_code(kind, capsys):
    assert report(kind("it broke", hint="mend it"), Settings(command="build")) == kind.exit_code
    assert capsys.readouterr().err == "error: it broke\nhint: mend it\n"


def test_codes_are_one_per_kind_and_in_their_range():
    codes = [kind.exit_code for kind in KINDS]
    assert len(set(codes)) == len(codes)
    assert all(code == 2 or 10 <= code <= 99 for code in codes)


@pytest.mark.parametrize("command", ["run", "shell"])
def test_run_and_shell_give_125_and_the_class(command, capsys):
    assert report(errors.ResolveError("no such package"), Settings(command=command)) == 125
    assert capsys.readouterr().err == "error: ResolveError: no such package\n"


def test_json_tells_the_same(capsys):
    report(errors.LockStaleError("stale", hint="envforge lock"), Settings(command="ci", json=True))
    assert json.loads(capsys.readouterr().out) == {
        "error": {"class": "LockStaleError", "message": "stale", "hint": "envforge lock", "exit_code": 13}
    }


def test_a_full_disk_is_no_bug(capsys):
    error = OSError(errno.ENOSPC, "No space left on device", "/store/x")
    assert report(error, Settings(command="build")) == errors.StoreFullError.exit_code
    assert "/store/x" in capsys.readouterr().err


@pytest.mark.parametrize(("command", "code"), [("build", 1), ("run", 125)])
def test_a_bug_keeps_its_traceback(command, code, capsys):
    with pytest.raises(KeyError) as caught:
        raise KeyError("inner")
    assert report(caught.value, Settings(command=command)) == code
    told = capsys.readouterr().err
    assert "Traceback" in told
    assert "test_cli_failures.py" in told
    assert "bug in envforge" in told


def test_no_colours_where_there_is_no_terminal(capsys):
    report(errors.SpecError("x", hint="y"), Settings())
    assert "\x1b" not in capsys.readouterr().err
