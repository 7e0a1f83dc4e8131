"""The assembled dpkg database: dpkg's own spelling, names, triggers, and what scripts changed."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from debs import control_tar, deb, digest, member

from envforge.sources.debian.configure.cleaning import normalize
from envforge.sources.debian.deb.unpack import unpack
from envforge.sources.debian.dpkg import database
from envforge.sources.debian.dpkg.database import DatabaseChanges, Installed, write_database
from envforge.sources.debian.dpkg.status import format_relations, status_paragraph

CONTROL = b"""\
Package: libodd1
Source: odd (1.0)
Version: 0:1.0-1
Architecture: amd64
Maintainer: A <a@b.example>
X-Custom: kept
Installed-Size: 12
Depends: libc6 (>=2.3),foo|bar:any ( << 2 ) ,
 baz
Conflicts: old
Provides: libodd (= 1.0)
Section: libs
Priority: Optional
Essential: no
Multi-Arch: same
Homepage: https://example.org/
Description: odd things\x20
 Longer text.
 .
 End.
"""
STATUS = """\
Package: libodd1
Status: install ok installed
Priority: optional
Section: libs
Installed-Size: 12
Maintainer: A <a@b.example>
Architecture: amd64
Multi-Arch: same
Source: odd (1.0)
Version: 1.0-1
Provides: libodd (= 1.0)
Depends: libc6 (>= 2.3), foo | bar:any (<< 2), baz
Conflicts: old
Conffiles:
 /etc/odd 9dd4e461268c8034f5c8564e155c67a6
 /etc/gone newconffile remove-on-upgrade
Description: odd things\x20
 Longer text.
 .
 End.
X-Custom: kept
Homepage: https://example.org/
"""
TRIGGERS = b"interest-noawait /usr/share/odd\ninterest odd-update\ninterest-await /usr/lib/odd\n"


@pytest.fixture
def odd(tmp_path):
    archive = tmp_path / "odd.deb"
    control = control_tar(
        CONTROL,
        conffiles=b"/etc/odd\nremove-on-upgrade /etc/gone\n",
        postinst=b"#!/bin/sh\n",
        triggers=TRIGGERS,
    )
    archive.write_bytes(deb(member("./"), member("./etc/"), member("./etc/odd", b"x"), control=control))
    target = tmp_path / "tree"
    target.mkdir()
    facts = unpack(str(archive), str(target), "flat", sha256=digest(archive))
    return Installed(facts, "installed", str(target / "control"))


def test_a_paragraph_in_dpkgs_own_spelling(odd):
    assert status_paragraph(odd.facts, "installed") == STATUS


@pytest.mark.parametrize(
    ("text", "formatted"),
    [
        ("a(>=1)", "a (>= 1)"),
        ("a ( = 0:1.2 )", "a (= 1.2)"),
        ("a (> 1), b (< 2)", "a (>= 1), b (<= 2)"),
        ("a,b|c:any", "a, b | c:any"),
        ("python3:any (>= 3.9~)", "python3:any (>= 3.9~)"),
    ],
)
def test_relations(text, formatted):
    assert format_relations(text) == formatted


def test_the_files_of_a_database(odd, tmp_path):
    root = tmp_path / "root"
    write_database(str(root), [odd])
    dpkg = root / "var/lib/dpkg"
    assert (dpkg / "status").read_text() == STATUS + "\n"
    assert (dpkg / "arch").read_text() == "amd64\n"
    assert sorted(os.listdir(dpkg / "info")) == [
        "format", "libodd1:amd64.conffiles", "libodd1:amd64.list", "libodd1:amd64.md5sums",
        "libodd1:amd64.postinst", "libodd1:amd64.triggers",
    ]  # fmt: skip
    assert (dpkg / "info/libodd1:amd64.postinst").samefile(tmp_path / "tree/control/postinst")
    assert (dpkg / "info/libodd1:amd64.list").read_text() == "/.\n/etc\n/etc/odd\n"
    assert (dpkg / "triggers/File").read_text() == (
        "/usr/share/odd libodd1:amd64/noawait\n/usr/lib/odd libodd1:amd64\n"
    )
    assert (dpkg / "triggers/odd-update").read_text() == "libodd1:amd64\n"
    assert (dpkg / "triggers/Unincorp").read_text() == ""
    assert not (root / "var/lib/apt").exists()


def test_marks_of_what_came_along():
    def facts(name, architecture):
        class Some:
            pass

        Some.name, Some.architecture = name, architecture
        return Some

    text = database.extended_states([facts("a", "all"), facts("b", "i386")], "amd64")
    assert text == (
        "Package: a\nArchitecture: amd64\nAuto-Installed: 1\n\n"
        "Package: b\nArchitecture: i386\nAuto-Installed: 1\n\n"
    )


def test_changes_of_scripts_are_found_and_taken_over(odd, tmp_path):
    upper = tmp_path / "upper"
    (upper / "var/lib/dpkg/info").mkdir(parents=True)
    (upper / "var/lib/dpkg/diversions").write_text("/a\n/b\n:\n")
    (upper / "var/lib/dpkg/status").write_text("not looked at")
    (upper / "var/lib/dpkg/info/libodd1:amd64.list").write_bytes(b"/caf\xe9\n")
    changes = database.changed_database(str(upper))
    assert changes.files == {"diversions": "/a\n/b\n:\n", "info/libodd1:amd64.list": "/café\n"}
    assert database.changes_from_json(database.changes_to_json(changes)) == changes
    root = tmp_path / "root"
    before = (tmp_path / "tree/control/list").read_bytes()
    write_database(str(root), [odd], changes=changes, activated=["b", "/a"])
    assert (root / "var/lib/dpkg/diversions").read_text() == "/a\n/b\n:\n"
    assert (root / "var/lib/dpkg/info/libodd1:amd64.list").read_bytes() == b"/caf\xe9\n"
    assert (root / "var/lib/dpkg/triggers/Unincorp").read_text() == "/a -\nb -\n"
    assert (tmp_path / "tree/control/list").read_bytes() == before


def test_an_untouched_database_has_no_changes(tmp_path):
    assert database.changed_database(str(tmp_path)) == DatabaseChanges()


def test_the_topmost_changes_win():
    top = DatabaseChanges({"diversions": "top"}, ("info/x",))
    base = DatabaseChanges({"diversions": "base", "statoverride": "base", "info/x": "y"}, ())
    assert database.joined([top, base]) == DatabaseChanges(
        {"diversions": "top", "statoverride": "base"}, ("info/x",)
    )
    assert database.joined([base, top]).removed == ()
    assert database.joined([]) == DatabaseChanges()


def test_what_is_not_configured_is_named():
    status = STATUS + "\n" + STATUS.replace("libodd1", "other").replace("ok installed", "ok half-configured")
    assert database.unconfigured(status) == ("other (half-configured)",)
    assert database.unconfigured("") == ()


def test_a_tree_keeps_its_times_whatever_is_made_of_it(odd, tmp_path):
    """The database of a set whose files are older than a control member is settled in place."""
    control = Path(odd.control_dir)
    os.utime(control / "md5sums", (2_000, 2_000))
    os.utime(control / "list", (1_500, 1_500))
    shared = {path: path.stat().st_mtime_ns for path in control.iterdir()}
    root = tmp_path / "root"
    write_database(str(root), [odd], newest=1_600)
    normalize.settle_times(str(root), 1_600)
    info = root / "var/lib/dpkg/info"
    assert (info / "libodd1:amd64.md5sums").stat().st_mtime == 1_600
    assert (info / "libodd1:amd64.list").samefile(control / "list")
    assert {path: path.stat().st_mtime_ns for path in control.iterdir()} == shared


@pytest.mark.skipif(shutil.which("dpkg-query") is None, reason="needs dpkg")
def test_dpkg_reads_and_keeps_it_as_it_is(odd, tmp_path):
    root = tmp_path / "root"
    write_database(str(root), [odd])
    (root / "etc").mkdir()
    (root / "etc/odd").write_bytes(b"x")
    command = ["dpkg", f"--root={root}", "--force-not-root"]
    assert subprocess.run([*command, "--audit"], capture_output=True, check=True).stdout == b""
    assert subprocess.run([*command, "--verify"], capture_output=True, check=True).stdout == b""
    subprocess.run([*command, "--set-selections"], input=b"libodd1 install\n", check=True)
    assert (root / "var/lib/dpkg/status").read_text() == STATUS + "\n"
    query = ["dpkg-query", f"--admindir={root}/var/lib/dpkg", "-L", "libodd1"]
    assert subprocess.run(query, capture_output=True, check=True).stdout == b"/.\n/etc\n/etc/odd\n"
