"""The module that lies over py_compile: the real one's bytes, in the background, failures told."""

import importlib.util
import os
import py_compile
import subprocess
import sys
from pathlib import Path

import pytest

from envforge.build import bytecode


@pytest.fixture
def module(tmp_path):
    """Return the stand-in in a tree of its own, with the real one where it looks for it."""
    farm, scaffold = tmp_path / "farm", tmp_path / "scaffold"
    library = farm / "usr/lib/python3.11"
    library.mkdir(parents=True)
    scaffold.mkdir()
    (library / "py_compile.py").write_bytes(Path(py_compile.__file__).read_bytes())
    os.utime(library / "py_compile.py", (1_600_000_000, 1_600_000_000))
    (farm / "usr/bin").mkdir(parents=True)
    (farm / "usr/bin/python3.11").touch()
    assert bytecode.lay_compiler(str(scaffold), str(farm)) == (
        (
            "[ ! -x /usr/bin/python3.11 ] ||"
            " /usr/bin/python3.11 -E -S /usr/lib/python3.11/py_compile.py --settle"
        ),
    )
    path = scaffold / "usr/lib/python3.11/py_compile.py"
    text = path.read_text()
    real = f"{scaffold}/usr/libexec/envforge/real/usr/lib/python3.11/py_compile.py"
    path.write_text(
        text.replace('f"/usr/libexec/envforge/real{__file__}"', repr(real)).replace(
            "/run/envforge-bytecode", str(tmp_path / "slots")
        )
    )
    return path


def call(module, *arguments, stdin=""):
    return subprocess.run(
        [sys.executable, "-E", "-S", str(module), *map(str, arguments)],
        env={"SOURCE_DATE_EPOCH": "1"},
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
    )


def compiled(source):
    with open(importlib.util.cache_from_source(str(source)), "rb") as file:
        return file.read()


def test_bytes_are_the_real_ones_checked_by_time(module, tmp_path):
    sources = [tmp_path / name for name in ("a.py", "b.py")]
    for source in sources:
        source.write_text(f"print('{source.name}')\n")
    assert call(module, sources[0]).returncode == 0
    assert call(module, "-", stdin=f"{sources[1]}\n").returncode == 0
    assert call(module, "--settle").returncode == 0
    for source in sources:
        found = compiled(source)
        py_compile.compile(str(source), invalidation_mode=py_compile.PycInvalidationMode.TIMESTAMP)
        assert found == compiled(source)
        assert found[4:8] == bytes(4)


def test_its_own_bytecode_is_that_of_the_real_one(module, tmp_path):
    assert call(module, module).returncode == 0
    assert call(module, "--settle").returncode == 0
    found = compiled(module)
    assert found[8:12] == (1_600_000_000).to_bytes(4, "little")
    assert b"_SLOTS" not in found
    assert str(module).encode() in found
    assert str(tmp_path / "slots").encode() not in found


def test_it_returns_before_it_has_compiled(module, tmp_path):
    source = tmp_path / "late.py"
    source.write_text("print()\n")
    words = [sys.executable, "-E", "-S", str(module), "-"]
    with subprocess.Popen(words, stdin=subprocess.PIPE, text=True) as begun:
        assert begun.wait(20) == 0
        begun.stdin.write(f"{source}\n")
    assert call(module, "--settle").returncode == 0
    assert compiled(source)


def test_settling_fails_where_something_could_not_be_compiled(module, tmp_path):
    source = tmp_path / "broken.py"
    source.write_text("def\n")
    assert call(module, source).returncode == 0
    settled = call(module, "--settle")
    assert settled.returncode == 1
    assert "background" in settled.stderr


def test_a_python_without_its_interpreter_is_left_alone(tmp_path):
    library = tmp_path / "farm/usr/lib/python3.11"
    library.mkdir(parents=True)
    (library / "py_compile.py").touch()
    (tmp_path / "scaffold").mkdir()
    assert bytecode.lay_compiler(str(tmp_path / "scaffold"), str(tmp_path / "farm")) == ()
    assert list((tmp_path / "scaffold").iterdir()) == []
