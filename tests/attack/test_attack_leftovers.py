"""What scripts leave for those who look at the tree afterwards: it holds nobody up and breaks nothing."""

import pytest
from foe import JAVA, PYTHON, last_of_all

from envforge.build.script_log import LOG_MAX_BYTES

pytestmark = pytest.mark.userns

LOOKED_AT = (
    "/var/lib/dpkg/status",
    "/var/lib/dpkg/diversions",
    "/var/lib/dpkg/statoverride",
    "/var/lib/dpkg/info/evil.list",
    "/var/lib/dpkg/info/format",
    "/var/lib/dpkg/info",
    "/etc/ssl/certs/java/cacerts",
    "/etc/ssl/certs/0.pem",
    "/etc/ssl/certs",
    "/usr/share/ca-certificates/a.crt",
    "/usr/sbin/policy-rc.d",
    "/etc/passwd",
    "/etc/group",
    "/etc/resolv.conf",
    "/var/log/dpkg.log",
    "/opt/any",
)


@pytest.mark.parametrize("place", LOOKED_AT)
@pytest.mark.parametrize("kind", ["fifo", "socket", "directory"])
def test_other_kinds_of_files(victim, place, kind):
    """A pipe that nobody writes to must not be waited for: not while building, nor on entering."""
    victim.limit_s = 40
    make = {
        "fifo": f"mkfifo '{place}'",
        "socket": f"/usr/bin/python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind(\"{place}\")'",
        "directory": f"mkdir '{place}'; : >'{place}/x'",
    }[kind]
    certificate = (
        "mkdir -p /usr/share/ca-certificates; ln -s /usr/share/ca-certificates/a.crt /etc/ssl/certs/0.pem"
    )
    acts = f"rm -rf '{place}'; mkdir -p \"$(dirname '{place}')\"; {make}"
    depends = "attacker" if kind == "socket" else "base-files"
    victim.package(postinst=f"{JAVA}; {certificate}\n{last_of_all(acts)}", depends=depends)
    if victim.attack().returncode == 0:
        victim.attack("run", "--", "true")
        victim.attack("run", "--user", "root", "--", "true")


@pytest.mark.parametrize(
    "place", ["/var/lib/dpkg/status", "/var/lib/dpkg/diversions", "/etc/passwd", "/opt/any"]
)
def test_files_larger_than_any_disk(victim, place):
    """Nearly nothing on the disk, ten terabytes to whoever reads it."""
    victim.limit_s = 40
    victim.package(postinst=last_of_all(f"rm -f {place}; mkdir -p /opt; truncate -s 10000G {place}"))
    victim.refuse()


@pytest.mark.parametrize("bits", ["link", "directory"])
def test_trees_deeper_than_a_path_can_be(victim, bits):
    script = f"""{PYTHON}
import os
os.makedirs('/opt', exist_ok=True)
os.chdir('/opt')
for _ in range(3000):
    os.mkdir('d' * 200)
    os.chdir('d' * 200)
{"os.symlink('d' * 200, 'link')" if bits == "link" else "os.mkdir('last')"}
"""
    victim.package(postinst=script)
    victim.attack()
    victim.succeed("store", "destroy", "--yes")


def test_many_links_to_one_file(victim):
    """Its own files, the packages' and what stands in: a link gives no one else's file away."""
    names = "/usr/bin/busybox /usr/sbin/policy-rc.d /etc/passwd"
    acts = f"for p in {names}; do ln $p /opt/$(basename $p); echo x >>/opt/$(basename $p); done"
    victim.package(postinst=f"mkdir -p /opt\n{last_of_all(acts)}")
    victim.attack()
    victim.package("innocent", postinst="true")
    assert "hello" in victim.seen("echo", "hello")
    assert victim.seen("tail", "-c", "2", "/usr/bin/busybox") != "x\n"


def test_attributes_of_overlay_in_packages_and_scripts(victim):
    """Marks that would redirect a lookup, or hide what lies below."""
    script = f"""{PYTHON}
import os
for place in ('/etc', '/usr/bin/busybox', '/opt'):
    os.makedirs('/opt', exist_ok=True)
    for name, value in (('redirect', b'/../../../../../../etc'), ('metacopy', b''), ('opaque', b'y'),
                        ('whiteouts', b'y'), ('origin', b'x' * 20), ('upper', b'x'), ('protattr', b'i')):
        for prefix in ('user.overlay.', 'trusted.overlay.', 'user.overlay.overlay.'):
            try:
                os.setxattr(place, prefix + name, value)
            except OSError:
                pass
"""
    victim.package(postinst=script)
    victim.attack()
    victim.succeed("run", "--", "ls", "/etc/passwd", "/usr/bin/busybox")


def test_set_id_files_lie_where_nobody_else_gets(victim):
    victim.package(postinst="mkdir -p /opt; cp /usr/bin/busybox /opt/set-id; chmod 6755 /opt/set-id")
    victim.succeed("build")
    assert victim.store.stat().st_mode & 0o077 == 0


SWAPS = f"""{PYTHON}
import os, signal, sys
if os.fork():
    raise SystemExit
os.setsid()
for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
    signal.signal(number, signal.SIG_IGN)
if os.fork():
    os._exit(0)
target = os.environ['TARGET']
places = ['/var/log', '/var/cache', '/opt/swapped', '/etc/ssl/certs/java/cacerts', '/var/lib/dpkg/info']
while True:
    for place in places:
        for act in (lambda: os.rename(place, place + '.real'), lambda: os.symlink(target, place),
                    lambda: os.unlink(place), lambda: os.rename(place + '.real', place)):
            try:
                act()
            except OSError:
                pass
"""


def test_processes_that_outlive_their_script(victim):
    """They go on swapping paths while the tree is put in order: nothing of them lives then."""
    victim.canary.add("precious/dpkg.log", b"precious\n")
    script = SWAPS.replace("os.environ['TARGET']", repr(str(victim.canary.precious)))
    victim.package(postinst=script)
    for _ in range(4):
        victim.attack("build", "--rebuild")


def test_log_without_end(victim):
    """What a script prints is kept within bounds."""
    victim.limit_s = 240
    victim.package(postinst="yes 'a line of a log that nobody asked for' | head -c 40000000; exit 1")
    victim.refuse()
    places = (victim.store, victim.state)
    sizes = [path.stat().st_size for place in places for path in place.rglob("*.log") if path.is_file()]
    assert max(sizes) <= LOG_MAX_BYTES + (1 << 20)  # and the end, which says most
