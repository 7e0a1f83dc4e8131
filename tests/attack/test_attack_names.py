"""Fields, members and lines of a package that would become paths or others' lines are refused."""

import debs
import pytest
from foe import UP, last_of_all

from envforge.errors import ArchiveError

pytestmark = pytest.mark.userns


def outwards(victim) -> str:
    """Return a name that leads to the canary's directory from anywhere below the root."""
    return f"{UP}{str(victim.canary.directory).lstrip('/')}/x"


FIELDS = {
    "another name": {"Package": "base-files"},
    "another version": {"Version": "2.0"},
    "another architecture": {"Architecture": "amd64"},
    "name outwards": {"Package": "OUT"},
    "name of dots": {"Package": ".."},
    "name with a slash": {"Package": "a/b"},
    "absolute name": {"Package": "/tmp/x"},
    "name with an option": {"Package": "--admindir=/tmp"},
    "name in capitals": {"Package": "EVIL"},
    "version outwards": {"Version": "OUT"},
    "version with a space": {"Version": "1.0 x"},
    "version with a quote": {"Version": "1.0'$(id)'"},
    "architecture outwards": {"Architecture": "OUT", "Multi-Arch": "same"},
    "architecture of dots": {"Architecture": "../..", "Multi-Arch": "same"},
    "unknown Multi-Arch": {"Multi-Arch": "same/../.."},
}


@pytest.mark.one_kind
@pytest.mark.parametrize("case", FIELDS)
def test_control_fields_are_what_the_lock_says(victim, case):
    """The index is honest; the archive, whose hash it has, says something else."""
    inside = {name: value.replace("OUT", outwards(victim)) for name, value in FIELDS[case].items()}
    victim.package(inside=inside, members={"sh": b"echo written by a package\n"})
    victim.refuse()


@pytest.mark.one_kind
@pytest.mark.parametrize("field", ["Package", "Version", "Architecture"])
def test_index_and_archive_agree_on_a_hostile_field(victim, field):
    hostile = {field: outwards(victim)}
    victim.package(inside=hostile, listed=hostile, members={"sh": b"echo written by a package\n"})
    if field != "Package":
        victim.refuse()
    else:
        victim.want(outwards(victim))
        victim.refuse()


FILENAMES = {
    "outwards": "pool/../../../../../../../../../../../../CANARY",
    "absolute": "CANARY",
    "an address": "file:CANARY",
    "encoded": "pool/%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2eCANARY",
    "with a newline": "pool/x\n y",
}


@pytest.mark.one_kind
@pytest.mark.parametrize("case", FILENAMES)
def test_file_name_of_the_index_stays_in_the_archive(victim, case):
    """The mirror is a directory of the host here, so that a path can lead out of it."""
    name = FILENAMES[case].replace("CANARY", str(victim.canary.secret))
    victim.package(listed={"Filename": name})
    text = (victim.home / ".config/envforge/config.toml").read_text()
    config = text.replace(victim.server.url, f"file:{victim.archive.path}")
    victim.write(victim.home / ".config/envforge/config.toml", config)
    for directory in victim.archive.path.parents:
        if victim.kind != "root" and str(directory).startswith("/tmp/") and directory.stat().st_uid == 0:
            directory.chmod(0o755)
    victim.refuse()


TRIGGERS = (
    "interest-await OUT",
    "interest-noawait OUT",
    "interest ../info/format",
    "interest ../status",
    "interest ../../../../etc/passwd",
    "interest .",
    "interest ..",
    "interest File",
    "interest Unincorp",
    "interest Lock",
    "interest a/b",
    "activate OUT",
    "activate ../status",
    "activate a\\0b",
)


@pytest.mark.one_kind
@pytest.mark.parametrize("line", TRIGGERS)
def test_names_of_triggers(victim, line):
    text = line.replace("OUT", outwards(victim)).replace("\\0", "\0")
    victim.package(members={"triggers": f"{text}\n".encode()})
    victim.refuse()


MEMBERS = (
    "../x",
    "a/b",
    "/x",
    "..",
    "x\ny",
    "\udcff",
    "OUT",
    "list",
    "control/../x",
    "a b",
    "$(id)",
    ".hidden",
    "x" * 255,
)


@pytest.mark.one_kind
@pytest.mark.parametrize("name", MEMBERS, ids=lambda name: ascii(name)[:20])
def test_names_of_control_members(victim, name):
    victim.package(members={name.replace("OUT", outwards(victim)): b"written by a package\n"})
    victim.refuse()


@pytest.mark.one_kind
@pytest.mark.parametrize("kind", ["link", "hard link", "fifo", "device", "directory"])
def test_kinds_of_control_members(victim, kind):
    name = "./postinst"
    hostile = {
        "link": debs.symlink(name, str(victim.canary.secret)),
        "hard link": debs.hardlink(name, str(victim.canary.secret)),
        "fifo": debs.member(name, type=debs.tarfile.FIFOTYPE),
        "device": debs.member(name, type=debs.tarfile.CHRTYPE, devmajor=1, devminor=1),
        "directory": debs.member(name),
    }[kind]
    control = (
        b"Package: evil\nVersion: 1.0\nArchitecture: all\nMaintainer: N <n@example.org>\nDescription: x\n"
    )
    archive = debs.ar(
        ("debian-binary", b"2.0\n"),
        ("control.tar", debs.tar(debs.member("./"), debs.member("./control", control), hostile)),
        ("data.tar", debs.tar()),
    )
    victim.archive.add("evil", content=archive)
    victim.archive.publish()
    victim.want("evil")
    victim.refuse()


CONFFILES = (
    "OUT",
    "relative",
    "/../../etc/x",
    "/a\tb",
    "/etc/../x",
    "remove-on-upgrade OUT",
    "/\udcff",
    "/x\0y",
)


@pytest.mark.parametrize("line", CONFFILES, ids=ascii)
def test_lines_of_conffiles_do_no_harm(victim, line):
    text = line.replace("OUT", f"/{outwards(victim)}")
    victim.package(members={"conffiles": f"{text}\n".encode(errors="surrogateescape")}, postinst="true")
    victim.attack()
    victim.attack("verify")


def test_lines_of_md5sums_do_no_harm(victim):
    lines = [
        f"{'0' * 32}  {outwards(victim)}",
        f"{'0' * 32}  /{victim.canary.secret}",
        "no sum at all",
        "x" * 100_000,
    ]
    victim.package(members={"md5sums": "\n".join(lines).encode()}, postinst="true")
    victim.attack()
    victim.attack("verify")


DIVERSIONS = {
    "outwards": "/OUT\n/OUT.distrib\nevil\n",
    "of a file of the host": "/usr/bin/x\nSECRET\nevil\n",
    "broken": "/usr/bin/x\n",
    "not text": "\udcff\udcfe\n\0\n\n\n",
    "long": "/x\n" * 50_000,
}


@pytest.mark.parametrize("case", DIVERSIONS)
@pytest.mark.parametrize("file", ["diversions", "statoverride"])
def test_diversions_that_a_script_makes_up(victim, case, file):
    text = DIVERSIONS[case].replace("OUT", outwards(victim)).replace("SECRET", str(victim.canary.secret))
    data = [debs.member("./opt/"), debs.member("./opt/text", text.encode(errors="surrogateescape"))]
    victim.package(postinst=last_of_all(f"cp /opt/text /var/lib/dpkg/{file}"), data=data)
    victim.attack()
    victim.attack("run", "--", "true")


def test_status_that_a_script_makes_up(victim):
    """It says that all is configured, with other fields than dpkg's own: read as text, never as paths."""
    status = (
        f"Package: {outwards(victim)}\nStatus: install ok installed\nConffiles:\n /{outwards(victim)} 00\n\n"
    )
    data = [debs.member("./opt/"), debs.member("./opt/status", status.encode() * 3)]
    victim.package(postinst=last_of_all("cp /opt/status /var/lib/dpkg/status"), data=data)
    victim.attack()


PATHS = (b"x\ny", b"\xff\xfe", b"x" * 255, b"a\\b", b"a:b,c", b"'; id;'", b"$(id)", b"\x1b]0;x\x07")


@pytest.mark.parametrize("name", PATHS, ids=lambda name: ascii(name)[:20])
def test_odd_names_of_files_are_only_names(victim, name):
    """Such files may be in a package; the environment has them and is the same when built again."""
    text = name.decode(errors="surrogateescape")
    data = [
        debs.member("./opt/"),
        debs.member(f"./opt/{text}", b"odd\n"),
        debs.member(f"./opt/dir{text[:200]}/"),
    ]
    victim.package(
        data=data,
        postinst="cp -r /opt /srv-copy; mkdir -p /etc/odd; : >/etc/odd/plain",
    )
    result = victim.attack()
    if result.returncode == ArchiveError.exit_code:
        return
    assert result.returncode == 0, result.stderr
    assert "\x1b" not in result.stdout + result.stderr
    victim.succeed("verify")
