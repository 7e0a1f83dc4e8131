"""The table of machine state: sound by itself, and picked by package."""

import subprocess

import pytest

from envforge.sources.debian.quirks import table as quirks


def test_every_path_is_absolute_and_says_why():
    for quirk in quirks.TABLE:
        assert quirk.why
        for path in (*quirk.removed, *(path for path, _ in quirk.stand_ins)):
            assert path.startswith("/")
            assert ".." not in path.split("/")
            assert not path.startswith(("/bin/", "/sbin/", "/lib/"))  # /usr is merged


def test_no_two_quirks_stand_in_for_the_same_program():
    paths = [path for quirk in quirks.TABLE for path, _ in quirk.stand_ins]
    assert len(paths) == len(set(paths))


PROGRAMS = {text for quirk in quirks.TABLE for path, text in quirk.stand_ins if not path.startswith("/etc/")}


@pytest.mark.parametrize("text", sorted(PROGRAMS))
def test_stand_ins_are_shell(text):
    assert text.startswith("#!/bin/sh\n")
    assert text.endswith("\n")
    subprocess.run(["sh", "-n"], input=text.encode(), check=True)


def test_what_holds_for_every_set():
    programs = quirks.stand_ins([])
    assert programs["/usr/sbin/policy-rc.d"] == "#!/bin/sh\nexit 101\n"
    assert "/usr/bin/ischroot" in programs
    assert "/usr/bin/ssh-keygen" not in programs
    assert "/var/log/dpkg.log" in quirks.removed([])


def test_what_belongs_to_a_package():
    assert quirks.stand_ins(["openssh-server"])["/usr/bin/ssh-keygen"] == quirks.NOTHING
    assert "/usr/bin/ssh-keygen" in quirks.stand_ins(["openssh-server:amd64"])
    assert "/etc/munge/munge.key" in quirks.removed(["munge"])
    assert "/etc/munge/munge.key" not in quirks.removed(["munged"])
