"""What scripts are started with makes their interpreters do the same twice."""

import subprocess

import pytest

from envforge.sources.debian.configure import script

_KEYS = "print join ' ', keys %{{map {$_ => 1} 1..200}}"


@pytest.mark.parametrize(("command", "code"), [("perl", _KEYS), ("python3", "print(set('abcdefghij'))")])
def test_tables_of_interpreters_have_one_order(command, code):
    option = "-e" if command == "perl" else "-c"
    said = {
        subprocess.run(
            [command, option, code], env=script.environment(1), capture_output=True, check=True
        ).stdout
        for _ in range(5)
    }
    assert len(said) == 1


def test_the_clock_of_tex_is_that_of_the_recipe():
    variables = script.environment(1_700_000_000)
    assert (variables["SOURCE_DATE_EPOCH"], variables["FORCE_SOURCE_DATE"]) == ("1700000000", "1")
