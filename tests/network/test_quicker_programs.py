"""What lies over slow programs while packages are configured writes the bytes that the real ones write."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from commandline import CommandLine
from users import reaching_all

pytestmark = [pytest.mark.userns, pytest.mark.archive, pytest.mark.one_kind]
SPEC = """\
name = "quicker"
[debian]
suite = "{suite}"
packages = ["ca-certificates", "python3-minimal"]
"""
WITHOUT = """\
import sys
from envforge.sources.debian.quirks import quicker
quicker.TABLE = ()
from envforge.cli import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture(params=["bookworm", "trixie"])
def project(request: pytest.FixtureRequest, tmp_path: Path) -> CommandLine:
    for name in ("home", "project"):
        (tmp_path / name).mkdir()
    (tmp_path / "project/envforge.toml").write_text(SPEC.format(suite=request.param))
    return CommandLine(tmp_path / "project", tmp_path / "store", tmp_path / "home")


def test_digests_are_those_of_the_real_programs(project: CommandLine, tmp_path: Path):
    other = CommandLine(project.directory, tmp_path / "other", tmp_path / "home")
    project.succeed("lock")
    quick = json.loads(project.succeed("build", "--json"))
    other.store.mkdir(mode=0o700)
    kept = (str(project.store / name) for name in ("format", "blobs", "facts", "trees"))  # none is configured
    subprocess.run(reaching_all("cp", "-a", *kept, str(other.store)), check=True)
    plain = subprocess.run(
        [sys.executable, "-c", WITHOUT, "--store", str(other.store), "build", "--json"],
        cwd=project.directory,
        env=other.variables(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(plain.stdout)["layers"] == quick["layers"]
    certificates = project.succeed(
        "run", "--", "sh", "-c", "grep -c BEGIN /etc/ssl/certs/ca-certificates.crt"
    )
    assert int(certificates) > 100
    names = project.succeed(
        "run", "--", "python3", "-c", "import py_compile; print(py_compile.__dict__.keys())"
    )
    assert "_SLOTS" not in names
    for line in (project, other):
        line.succeed("store", "destroy", "--yes")
