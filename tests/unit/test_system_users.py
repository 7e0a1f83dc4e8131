"""System users and groups get the same numbers in every set, by each of the three ways of asking."""

import os
import shutil
import subprocess

import pytest

from envforge.sources.debian.quirks import users

PERL = os.path.join(os.path.dirname(users.__file__), "perl")


def test_the_table_is_sound():
    numbers = list(users.TABLE.values())
    assert len(set(numbers)) == len(numbers)
    assert all(
        100 < number < 400 for number in numbers
    )  # 100 is the group `users`, 0 to 99 are base-passwd's
    assert not any(":" in name or name != name.strip() for name in users.TABLE)


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("messagebus", 101),
        ("sshd", 117),
        ("postgres", 162),
        ("redis", 164),
        ("neo4j", 360),
        ("mystery", 514),
        ("mysterygroup", 613),
        ("unknowng", 886),
        ("foo", 623),
    ],
)
def test_numbers_never_change(name, number):
    assert users.number(name) == number


def test_every_name_has_a_number_of_a_system_user():
    assert all(100 < users.number(f"name{n}") < 900 for n in range(1000))


@pytest.mark.skipif(shutil.which("perl") is None, reason="needs perl")
def test_perl_follows_the_same_rule(tmp_path):
    table = tmp_path / "numbers"
    table.write_text(users.pool_text())
    module = tmp_path / "Envforge" / "Numbers.pm"
    module.parent.mkdir()
    with open(f"{PERL}/Numbers.pm", encoding="utf-8") as file:
        module.write_text(file.read().replace("/usr/share/perl5/Envforge/numbers", str(table)))
    names = ["postgres", "redis", *(f"no-such-name-{n}" for n in range(200)), "_Überflüssig"]
    script = 'use Envforge::Numbers; print Envforge::Numbers::number($_), "\\n" for @ARGV'
    command = ["perl", f"-I{tmp_path}", "-e", script, *names]
    output = subprocess.run(command, capture_output=True, check=True, text=True).stdout.split()
    taken = _taken_on_this_host()
    for name, given in zip(names, map(int, output), strict=True):
        assert given == users.number(name) or users.number(name) in taken


def _taken_on_this_host():
    taken = set()
    for database in ("passwd", "group"):
        with open(f"/etc/{database}", encoding="utf-8") as file:
            taken |= {int(line.split(":")[2]) for line in file if line.count(":") > 2}
    return taken


@pytest.mark.parametrize(
    ("line", "numbered"),
    [
        ('u messagebus - "System Message Bus" /x', 'u messagebus 101 "System Message Bus" /x'),
        ("u     tomcat   -     x", "u     tomcat   209     x"),
        ("u! systemd-network - x", "u! systemd-network 103 x"),
        ('u sshd -:nogroup "sshd user"', 'u sshd 117:nogroup "sshd user"'),
        ("g systemd-journal - -", "g systemd-journal 102 -"),
        ("g stunnel4 -", "g stunnel4 217"),
        ("g adm        4     -", "g adm        4     -"),
        ("u root 0 - /root /bin/bash", "u root 0 - /root /bin/bash"),
        ("m stunnel4 stunnel4", "m stunnel4 stunnel4"),
        ("# u comment - x", "# u comment - x"),
        ("u by-%m - x", "u by-%m - x"),
        ("", ""),
    ],
)
def test_sysusers_lines(line, numbered):
    assert users.numbered_sysusers(line) == numbered
    assert users.numbered_sysusers(f"{line}\n{line}\n") == f"{numbered}\n{numbered}\n"


ADDUSER = """\
sub read_pool {
    my ($file, $type, $pool) = @_;
}
1;
"""


def test_what_is_laid_over_a_farm(tmp_path):
    farm, scaffold = tmp_path / "farm", tmp_path / "scaffold"
    for path, text in {
        "usr/sbin/useradd": "real",
        "usr/share/perl5/Debian/AdduserCommon.pm": ADDUSER,
        "etc/adduser.conf": "#UID_POOL=\nDSHELL=/bin/bash\n",
        "usr/lib/sysusers.d/dbus.conf": "u messagebus - x\n",
    }.items():
        (farm / path).parent.mkdir(parents=True, exist_ok=True)
        (farm / path).write_text(text)
    scaffold.mkdir()
    users.lay_numbers(str(scaffold), str(farm))
    assert (scaffold / "usr/lib/sysusers.d/dbus.conf").read_text() == "u messagebus 101 x\n"
    assert (scaffold / "usr/libexec/envforge/useradd").read_text() == "real"
    assert os.access(scaffold / "usr/sbin/useradd", os.X_OK)
    assert not (scaffold / "usr/sbin/groupadd").exists()
    assert (
        (scaffold / "etc/adduser.conf")
        .read_text()
        .endswith("UID_POOL=/usr/share/perl5/Envforge/numbers\nGID_POOL=/usr/share/perl5/Envforge/numbers\n")
    )
    assert (farm / "usr/share/perl5/Debian/AdduserCommon.pm").read_text() == ADDUSER


ASKED = (
    (["-r", "-M", "qq-one"], True),
    (["--system", "--gid", "nogroup", "-c", "a b", "qq-one"], True),
    (["-rc", "system", "qq-one"], True),
    (["qq-one"], False),
    (["-c", "-r", "qq-one"], False),
    (["-r"], False),
)


@pytest.mark.skipif(shutil.which("perl") is None, reason="needs perl")
@pytest.mark.parametrize(
    ("program", "arguments", "given"),
    [
        *(("useradd", arguments, given) for arguments, given in ASKED),
        ("groupadd", ["-r", "qq-one"], True),
        ("groupadd", ["-K", "GID_MIN=-r", "qq-one"], False),
        ("groupadd", ["--system", "-g", "77", "qq-one"], False),
    ],
)
def test_the_program_in_front_of_the_real_one(tmp_path, program, arguments, given):
    real = tmp_path / "real"
    real.mkdir()
    (real / program).write_text('#!/bin/sh\nfor x; do echo "$x"; done\n')
    (real / program).chmod(0o755)
    (tmp_path / "Envforge").mkdir()
    (tmp_path / "numbers").write_text(users.pool_text())
    with open(f"{PERL}/Numbers.pm", encoding="utf-8") as file:
        text = file.read().replace("/usr/share/perl5/Envforge/numbers", str(tmp_path / "numbers"))
    (tmp_path / "Envforge/Numbers.pm").write_text(text)
    with open(f"{PERL}/useradd", encoding="utf-8") as file:
        (tmp_path / program).write_text(file.read().replace("/usr/libexec/envforge", str(real)))
    command = ["perl", f"-I{tmp_path}", str(tmp_path / program), *arguments]
    output = subprocess.run(command, capture_output=True, check=True, text=True).stdout.splitlines()
    option = "-u" if program == "useradd" else "-g"
    if given:
        assert output[0] == option
        assert output[2:] == arguments
    else:
        assert output == arguments
