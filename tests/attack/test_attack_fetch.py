"""What `[[fetch]]` brings is anybody's: archives that write elsewhere, sources swapped for links."""

import io
import os
import tarfile
import zipfile

import pytest
from test_attack_projects import SWAPS

pytestmark = pytest.mark.userns

UP = "../" * 30


def tar(*members):
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as archive:
        for name, content in members:
            info = tarfile.TarInfo(name)
            if isinstance(content, tuple):
                info.type, info.linkname = content
                archive.addfile(info)
            else:
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    return data.getvalue()


def zipped(*members):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for name, content in members:
            info = zipfile.ZipInfo(name)
            info.external_attr = (0o120777 if isinstance(content, tuple) else 0o100644) << 16
            archive.writestr(info, content[1] if isinstance(content, tuple) else content)
    return data.getvalue()


# What the archive does; PLACE is the canary's directory, without its first slash.
ARCHIVES = {
    "upward": [(f"{UP}PLACE/written", b"x")],
    "absolute": [("/PLACE/written", b"x")],
    "through a link": [("l", (tarfile.SYMTYPE, "/PLACE")), ("l/written", b"x")],
    "over a link": [("l", (tarfile.SYMTYPE, "/PLACE/secret")), ("l", b"x")],
    "through a link upward": [("l", (tarfile.SYMTYPE, f"{UP}PLACE")), ("l/written", b"x")],
    "through /proc": [("l", (tarfile.SYMTYPE, "/proc/self/root/PLACE")), ("l/written", b"x")],
    "a hard link": [("h", (tarfile.LNKTYPE, "/PLACE/secret")), ("h", b"x")],
    "a hard link upward": [("h", (tarfile.LNKTYPE, f"{UP}PLACE/secret"))],
    "a hard link through a link": [
        ("l", (tarfile.SYMTYPE, "/PLACE")),
        ("h", (tarfile.LNKTYPE, "l/secret")),
    ],
}


@pytest.mark.parametrize("make", [tar, zipped])
@pytest.mark.parametrize("case", ARCHIVES)
def test_archive_writes_elsewhere(victim, case, make):
    place = str(victim.canary.path).lstrip("/")

    def filled(content):
        return (content[0], content[1].replace("PLACE", place)) if isinstance(content, tuple) else content

    members = [(name.replace("PLACE", place), filled(content)) for name, content in ARCHIVES[case]]
    if make is zipped:
        members = [one for one in members if not isinstance(one[1], tuple) or one[1][0] == tarfile.SYMTYPE]
        if not members:
            return
    victim.write(victim.project / "evil", make(*members))
    victim.want(more='[[fetch]]\nurl = "file:evil"\ntarget = "/opt/x"\nunpack = true')
    victim.attack("run", "--", "sh", "-c", "cat /opt/x/* /opt/x/*/*")


@pytest.mark.one_kind
@pytest.mark.parametrize("swap", SWAPS)
@pytest.mark.parametrize("command", [("lock", "--upgrade"), ("build",), ("run", "--", "cat", "/opt/x")])
def test_a_fetched_file_is_swapped_for_a_link(victim, swap, command):
    victim.write(victim.project / "data", "harmless\n")
    victim.want(more='[[fetch]]\nurl = "file:data"\ntarget = "/opt/x"')
    victim.succeed("run", "--", "cat", "/opt/x")
    target = SWAPS[swap].replace("CANARY", str(victim.canary.path))
    victim.succeed("run", "--", "sh", "-c", f"rm data; ln -s {target}/secret data")
    victim.attack(*command)
    victim.attack("run", "--", "cat", "/opt/x")


@pytest.mark.one_kind
def test_the_lock_is_edited_to_fetch_the_hosts_files(victim):
    victim.write(victim.project / "data", "harmless\n")
    victim.want(more='[[fetch]]\nurl = "file:data"\ntarget = "/opt/x"')
    victim.succeed("run", "--", "cat", "/opt/x")
    secret = victim.canary.secret
    for name in (f"file:{secret}", f"file://{secret}", "file:../canary/secret"):
        edit = f"sed -i 's#file:data#{name}#' envforge.lock; echo >>envforge.toml"
        victim.succeed("run", "--", "sh", "-c", f"cp envforge.lock kept; {edit}")
        for command in (("run", "--", "cat", "/opt/x"), ("build", "--frozen"), ("lock",), ("build",)):
            victim.attack(*command)
        victim.write(victim.project / "envforge.lock", (victim.project / "kept").read_bytes())


def test_a_fetched_file_is_a_fifo_or_a_device(victim):
    """Neither waits for a writer, nor reads without end."""
    for make in (os.mkfifo, lambda path: os.symlink("/dev/zero", path)):
        path = victim.project / "data"
        make(path)
        victim.want(more='[[fetch]]\nurl = "file:data"\ntarget = "/opt/x"')
        victim.refuse("lock")
        path.unlink()
