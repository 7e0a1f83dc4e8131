"""The shell script of a configuration holds whatever packages call their things."""

import os
import subprocess

from envforge.sources.debian.configure import script


def test_paths_of_packages_are_words_not_commands(tmp_path):
    """`mv` and `cp` of the programs that stand-ins cover, run for real in a directory."""
    path = f"{tmp_path}/usr/sbin/it's; touch {tmp_path}/owned; $(touch {tmp_path}/owned)"
    cover = f"{tmp_path}/covers{path}"
    for one, text in ((path, "real"), (cover, "stand-in")):
        os.makedirs(os.path.dirname(one))
        with open(one, "w", encoding="utf-8") as file:
            file.write(text)
    text = script.configure_script(script.Unpacking((), ["/tmp/a.deb"], [path]))
    lines = text.replace(script.COVERS, f"{tmp_path}/covers").splitlines()
    kept = [line for line in lines if line.startswith(("mv ", "cp "))]
    assert len(kept) == 3
    for number, line in enumerate(kept):
        subprocess.run(["sh", "-ec", line], check=True)
        with open(path if number != 0 else f"{path}.envforge-aside", encoding="utf-8") as file:
            assert file.read() == ("stand-in" if number == 1 else "real")
    assert not (tmp_path / "owned").exists()


def test_questions_are_registered_once_debconf_is_configured():
    text = script.configure_script(script.Unpacking(), registered=[("ucf", "ucf"), ("lib", "lib:amd64")])
    lines = [line for line in text.splitlines() if line.startswith(("perl ", "dpkg --configure"))]
    assert lines[0] == "dpkg --configure --pending"
    assert lines[1].endswith(
        " ucf /var/lib/dpkg/info/ucf.templates lib /var/lib/dpkg/info/lib:amd64.templates"
    )


def test_a_preinst_that_fails_is_told_as_dpkg_would():
    preinst = script.Preinst("dbus", "amd64", "/var/lib/dpkg/info/dbus.preinst")
    text = script.unpack_script(script.Unpacking([preinst]), ["debconf"])
    assert "envforge: preinst of dbus ..." in text
    assert "dpkg: error processing package dbus (preinst):\n its preinst ended with exit code" in text
