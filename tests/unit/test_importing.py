"""Modules from their bytecode: the same ones as ever, and never from bytecode that is not theirs."""

import os
import py_compile
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import envforge

SCRIPT = """
import sys
from envforge import importing
importing.install()
from envforge import warm_line
from envforge.sandbox import record
import envforge.sandbox as package
print(type(warm_line.__loader__).__module__, getattr(warm_line, "CHANGED", "as it was"))
print(warm_line.__file__, warm_line.__cached__, warm_line.__spec__.parent, warm_line.__package__)
print(record.__name__, record.__spec__.has_location, *package.__path__, package.__spec__.parent)
"""
QUICK, USUAL = "envforge.importing", "_frozen_importlib_external"


@pytest.fixture
def package(tmp_path):
    """Return a copy of the package with bytecode."""
    copy = tmp_path / "first" / "envforge"
    shutil.copytree(
        Path(envforge.__file__).parent, copy, ignore=shutil.ignore_patterns("__pycache__", "cli", "tui")
    )
    assert run(package_at=copy)[0] == f"{USUAL} as it was"
    return copy


def run(package_at, *options, **variables):
    """Import some modules of that copy of the package; return the lines that it prints."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    code = f"import sys; sys.path.insert(0, {str(package_at.parent)!r})\n{SCRIPT}"
    words = [sys.executable, *options, "-c", code]
    return subprocess.run(
        words, env=kept | variables, capture_output=True, text=True, check=True
    ).stdout.splitlines()


def test_modules_are_as_ever(package):
    quick = run(package)
    shutil.rmtree(package / "__pycache__")
    shutil.rmtree(package / "sandbox" / "__pycache__")
    usual = run(package)
    assert (quick[0], usual[0]) == (f"{QUICK} as it was", f"{USUAL} as it was")
    assert quick[1:] == usual[1:]


def test_an_edited_module_is_compiled_again(package):
    with (package / "warm_line.py").open("a") as file:
        file.write("CHANGED = 'changed'\n")
    assert run(package)[0] == f"{USUAL} changed"
    assert run(package)[0] == f"{QUICK} changed"


def test_bytecode_without_its_source_counts_for_nothing(package):
    (package / "warm_line.py").unlink()
    with pytest.raises(subprocess.CalledProcessError, match="non-zero") as failed:
        run(package)
    assert "cannot import name 'warm_line'" in failed.value.stderr


@pytest.mark.parametrize("length", [0, 3, 15])
def test_a_cut_file_counts_for_nothing(package, length):
    (cached,) = (package / "__pycache__").glob("warm_line.*")
    os.truncate(cached, length)
    assert run(package)[0] == f"{USUAL} as it was"


def test_bytecode_by_hash_is_checked_by_python(package):
    source = package / "warm_line.py"
    py_compile.compile(str(source), invalidation_mode=py_compile.PycInvalidationMode.CHECKED_HASH)
    assert run(package)[0] == f"{USUAL} as it was"


def test_optimized_bytecode_and_other_places_are_pythons_own(package, tmp_path):
    assert run(package, "-O")[0] == f"{USUAL} as it was"
    assert run(package, PYTHONPYCACHEPREFIX=str(tmp_path / "elsewhere"))[0] == f"{USUAL} as it was"
