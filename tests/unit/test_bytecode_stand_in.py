"""The module that lies over py_compile: the real one's bytes, in the background, failures told."""

import importlib.util
import os
import py_compile
import subprocess
import sys
from pathlib import Path

import pytest

from envforge.sources.debian.configure.output import dpkg_output
from envforge.sources.debian.quirks import bytecode


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


def call(module, *arguments, stdin="", package="one"):
    return subprocess.run(
        [sys.executable, "-E", "-S", str(module), *map(str, arguments)],
        env={"SOURCE_DATE_EPOCH": "1", "DPKG_MAINTSCRIPT_PACKAGE": package},
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
    assert call(module, source, package="python3-broken").returncode == 0
    settled = call(module, "--settle")
    assert settled.returncode == 1
    output = dpkg_output.read(settled.stderr.encode())
    assert output.failure.package == "python3-broken"
    assert any("SyntaxError" in line for line in output.failure.lines)


def test_a_failure_breaks_no_pipe_of_a_later_package(module, tmp_path):
    """Debian's py3compile writes names into a pipe; who reads it may not be gone before the end."""
    (tmp_path / "broken.py").write_text("def\n")
    names = "".join(f"{tmp_path}/{number}.py\n" for number in range(20_000))
    for number in range(20_000 // 1000):
        (tmp_path / f"{number}.py").write_text("")
    for _ in range((os.cpu_count() or 1) + 1):
        call(module, tmp_path / "broken.py", package="python3-broken")
    words = [sys.executable, "-E", "-S", str(module), "-"]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as later:
        later.stdin.write(names)
        later.stdin.close()
        later.stderr.read()
    assert call(module, "--settle").returncode == 1


def test_warnings_of_the_compiler_are_printed(module, tmp_path):
    source = tmp_path / "warns.py"
    source.write_text("assert (1, 'always')\n")
    call(module, source)
    assert call(module, "--settle").returncode == 0


def test_a_python_without_its_interpreter_is_left_alone(tmp_path):
    library = tmp_path / "farm/usr/lib/python3.11"
    library.mkdir(parents=True)
    (library / "py_compile.py").touch()
    (tmp_path / "scaffold").mkdir()
    assert bytecode.lay_compiler(str(tmp_path / "scaffold"), str(tmp_path / "farm")) == ()
    assert list((tmp_path / "scaffold").iterdir()) == []
