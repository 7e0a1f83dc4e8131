"""Secrets that scripts made leave a layer with all that debconf and ucf remember of them."""

from envforge.sources.debian.configure.cleaning.secrets import remove_machine_state
from envforge.sources.debian.quirks import answers

CONFIG = """\
Name: backuppc/tmppass
Template: backuppc/tmppass
Value: x7Gh
Owners: backuppc

Name: backuppc/restart-webserver
Template: backuppc/restart-webserver
Value: true
Owners: backuppc

"""
PASSWORDS = """\
Name: slapd/internal/adminpw
Template: slapd/internal/adminpw
Value: {SSHA}secret
Owners: slapd
Flags: seen

"""
HASHES = "0123  /etc/mailman3/mailman.cfg\n4567  /etc/other.cfg\n"


def write(root, path, text):
    place = root / path.lstrip("/")
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(text)


def test_everything_that_holds_a_secret_goes(tmp_path):
    for path, text in (
        (answers.QUESTIONS, CONFIG),
        (answers.PASSWORDS, PASSWORDS),
        (answers.CHECKSUMS, HASHES),
        ("/etc/mailman3/mailman.cfg", "admin_pass: secret\n"),
        ("/var/lib/ucf/cache/:etc:mailman3:mailman.cfg", "admin_pass: secret\n"),
        ("/etc/backuppc/htpasswd", "backuppc:secret\n"),
        ("/etc/other.cfg", "kept\n"),
    ):
        write(tmp_path, path, text)
    remove_machine_state(str(tmp_path), ["mailman3", "backuppc", "slapd"])
    left = {
        str(path.relative_to(tmp_path)): path.read_text() for path in tmp_path.rglob("*") if path.is_file()
    }
    assert left == {
        "etc/other.cfg": "kept\n",
        "var/cache/debconf/config.dat": CONFIG[CONFIG.index("Name: backuppc/restart") :],
        "var/cache/debconf/passwords.dat": PASSWORDS.replace("Value: {SSHA}secret\n", ""),
        "var/lib/ucf/hashfile": "4567  /etc/other.cfg\n",
    }


def test_what_holds_a_databases_password_goes_whoever_asked_for_it(tmp_path):
    for path, text in (
        ("/etc/dbconfig-common/tango-db.conf", "dbc_dbuser='tango'\ndbc_dbpass='Q0RjJkXv1s7p'\n"),
        ("/etc/dbconfig-common/other.conf", "dbc_dbpass=''\n"),
        ("/var/lib/tango/.my.cnf", "[client]\npassword=Q0RjJkXv1s7p\n"),
        ("/var/lib/ucf/cache/:var:lib:tango:.my.cnf", "[client]\npassword=Q0RjJkXv1s7p\n"),
        (answers.CHECKSUMS, "0123  /var/lib/tango/.my.cnf\n"),
        ("/etc/tango.conf", "user=tango\n"),
    ):
        write(tmp_path, path, text)
    (tmp_path / "etc/dbconfig-common/link.conf").symlink_to("/etc/passwd")
    remove_machine_state(str(tmp_path), ["dbconfig-common", "tango-db"])
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == ["hashfile", "tango.conf"]
    assert (tmp_path / answers.CHECKSUMS.lstrip("/")).read_text() == ""


def test_nothing_is_written_where_there_is_nothing_to_forget(tmp_path):
    write(tmp_path, answers.QUESTIONS, CONFIG)
    before = (tmp_path / answers.QUESTIONS.lstrip("/")).stat().st_mtime_ns
    remove_machine_state(str(tmp_path), ["hello"])
    assert (tmp_path / answers.QUESTIONS.lstrip("/")).stat().st_mtime_ns == before


OCTAVE = """\
# Created by Octave 9.4.0, {} <root@{}>
# name: global_list
# type: cell
# name: date
2024-03-01, Fri Mar 01 12:00:00 2024 UTC <kept@here>
"""


def test_a_list_of_octaves_packages_is_the_same_whenever_and_wherever_it_is_made(tmp_path):
    made = []
    for date, host in (
        ("Wed Nov 25 09:07:01 2026 UTC", "a"),
        ("Thu Dec 31 23:59:59 2026 CET", "b.example.org"),
    ):
        write(tmp_path, "/usr/share/octave/octave_packages", OCTAVE.format(date, host))
        remove_machine_state(str(tmp_path), ["octave"])
        made.append((tmp_path / "usr/share/octave/octave_packages").read_text())
    assert made[0] == made[1]
    kept = OCTAVE[OCTAVE.index("# name") :]
    assert made[0] == f"# Created by Octave\n{kept}"
