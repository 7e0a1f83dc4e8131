"""Nothing of the caller reaches a byte: umask, locale, time zone, limits, tty, directory, home, host name."""

import json
import shutil
from pathlib import Path

import pytest
import web
from attrs import evolve
from small_archive import Archive
from small_system import add_system, built, new_project, script, shown

pytestmark = [
    pytest.mark.userns,
    pytest.mark.skipif(not shutil.which("apt-get"), reason="needs apt-get, of which the tool tree is made"),
]

_NOTES = """\
mkdir -p /var/lib/noted/deep
umask >/var/lib/noted/umask
env | grep -v '^_=' | sed '/^SHLVL/d' >/var/lib/noted/environment
pwd >/var/lib/noted/directory
date >/var/lib/noted/date 2>/dev/null || true
ulimit -a >/var/lib/noted/limits
id >/var/lib/noted/id
cat /proc/sys/kernel/hostname >/var/lib/noted/host
(echo typed >/dev/tty) 2>/dev/null && echo a terminal >/var/lib/noted/tty
grep -i '^Sig[BI]' /proc/self/status >/var/lib/noted/signals
touch /etc/touched
"""


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    archive = Archive(tmp_path_factory.mktemp("web"))
    add_system(archive)
    archive.add("noting", members={"preinst": script(_NOTES), "postinst": script(_NOTES)})
    archive.publish()
    with web.serving(archive.path) as server:
        yield server.url


WAYS = {
    "umask 077": ("sh", "-c", 'umask 077; exec "$@"', "sh"),
    "umask 002": ("sh", "-c", 'umask 002; exec "$@"', "sh"),
    "umask 777": ("sh", "-c", 'umask 777; exec "$@"', "sh"),
    "limits": ("sh", "-c", 'ulimit -S -c 0 -n 256 -t 600 -s 4096; exec "$@"', "sh"),
    "low priority": ("nice", "-n", "15"),
    "another host name": ("unshare", "--uts", "sh", "-c", 'hostname elsewhere; exec "$@"', "sh"),
    "no terminal, no hang-ups": ("nohup",),
    "another directory": ("env", "-C", "/"),
}
VARIABLES = {
    "TZ": "Asia/Kathmandu",
    "LANG": "C",
    "LC_ALL": "C",
    "LANGUAGE": "de",
    "PYTHONUTF8": "0",
    "SOURCE_DATE_EPOCH": "1",
    "DEBIAN_FRONTEND": "readline",
    "DPKG_ROOT": "/nowhere",
    "POSIXLY_CORRECT": "1",
    "TAR_OPTIONS": "--verbose",
}


def digest(directory: Path, url: str, before=(), environment=None) -> str:
    """Build in a project and a store of its own, and return the environment's digest."""
    line = evolve(new_project(directory, url, ["noting"]), before=before, environment=environment or {})
    spec = str(line.directory / "envforge.toml")
    return json.loads(line.succeed("--file", spec, "build", "--json"))["environment"]


@pytest.fixture(scope="module")
def usual(url, tmp_path_factory) -> str:
    return digest(tmp_path_factory.mktemp("usual"), url)


@pytest.mark.root
@pytest.mark.parametrize("way", WAYS)
def test_another_way_of_calling_gives_the_same_digest(url, usual, tmp_path, way):
    assert digest(tmp_path, url, WAYS[way]) == usual


@pytest.mark.root
def test_other_variables_give_the_same_digest(url, usual, tmp_path):
    assert digest(tmp_path, url, environment=VARIABLES) == usual


def test_directories_that_the_build_makes_are_for_all_to_read(url, tmp_path):
    line = evolve(new_project(tmp_path, url, ["noting"]), before=WAYS["umask 077"])
    entries = shown(line, built(line))
    for path in (b"/", b"/etc", b"/var/lib/dpkg", b"/var/lib/dpkg/info"):
        assert entries[path].mode == 0o755
    assert b"/var/lib/noted/tty" not in entries
