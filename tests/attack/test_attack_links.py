"""Links that a package brings, or its script leaves, where others look afterwards: none leads out."""

import sys

import debs
import pytest
from foe import JAVA, UP, last_of_all, plant, ways

pytestmark = pytest.mark.userns

_PYTHON = f"/usr/lib/python{sys.version_info[0]}.{sys.version_info[1]}"

# Place of the link -> what lies where it leads.
DELETED = {
    "/var/log": ("dpkg.log", "alternatives.log", "apt/history.log"),
    "/var/log/apt": ("history.log",),
    "/var/cache": ("apt/pkgcache.bin", "debconf/config.dat-old", "man/index.db", "ldconfig/aux-cache"),
    "/var/cache/debconf": ("config.dat-old",),
    "/var": ("log/dpkg.log", "lib/dpkg/status", "cache/man/index.db"),
    "/var/lib": ("dpkg/status", "dpkg/info/x.list", "dbus/machine-id", "systemd/random-seed"),
    "/var/lib/dpkg": ("status", "arch", "info/x.list", "lock", "status-old", "updates/1", "triggers/File"),
    "/var/lib/dbus": ("machine-id",),
    "/var/lib/systemd": ("random-seed", "credential.secret"),
    "/root": (".rnd",),
    "/etc": (".pwd.lock", "passwd-", "shadow-", "ld.so.cache", "munge/munge.key"),
    "/etc/munge": ("munge.key",),
}


@pytest.mark.parametrize("place", DELETED)
def test_nothing_is_deleted_behind_a_link(victim, place):
    for name in DELETED[place]:
        victim.canary.add(f"precious/{name}", b"Package: x\nStatus: install ok installed\n\n")
    victim.package("munge", postinst=last_of_all(plant(place, victim.canary.precious)))
    victim.attack()


@pytest.mark.parametrize("way", [name for name in ways("") if name != "absolute"])
def test_nothing_is_deleted_behind_other_links(victim, way):
    victim.canary.add("precious/dpkg.log", b"precious\n")
    victim.package(postinst=last_of_all(plant("/var/log", ways(victim.canary.precious)[way])))
    victim.attack()


def test_nothing_is_deleted_behind_a_chain_of_links(victim):
    victim.canary.add("precious/log/dpkg.log", b"precious\n")
    links = {
        "/opt/a": victim.canary.path,
        "/opt/b": "a/precious",
        "/var/log": "../opt/b/log",
        "/etc": "opt/b",
    }
    acts = "; ".join(plant(place, target) for place, target in links.items())
    victim.package(postinst=last_of_all(acts))
    victim.attack()


# Place of the link -> where it leads, below the canary's directory.
WRITTEN = {
    "/etc/ssl/certs/java/cacerts": "new",
    "/etc/ssl/certs/java": "",
    "/etc/ssl/certs": "",
    "/etc/ssl": "ssl",
    "/etc": "etc",
}


@pytest.mark.parametrize("place", WRITTEN)
def test_keystore_is_not_written_behind_a_link(victim, place):
    victim.canary.add("directory/ssl/certs/java/x", b"x")
    victim.canary.add("directory/etc/ssl/certs/java/x", b"x")
    target = f"{victim.canary.directory}/{WRITTEN[place]}"
    victim.package(postinst=f"{JAVA}\n{last_of_all(plant(place, target))}")
    victim.attack()


@pytest.mark.parametrize("way", [name for name in ways("") if name != "absolute"])
def test_keystore_is_not_written_behind_other_links(victim, way):
    target = ways(victim.canary.directory / "new")[way]
    victim.package(postinst=f"{JAVA}; {plant('/etc/ssl/certs/java/cacerts', target)}")
    victim.attack()


def test_keystore_is_not_written_over_a_file(victim):
    victim.package(postinst=f"{JAVA}; {plant('/etc/ssl/certs/java/cacerts', victim.canary.secret)}")
    victim.attack()


def test_stand_in_is_not_removed_behind_a_link(victim):
    """What lay over a file meanwhile is looked for where it was: not in a directory that a link leads to."""
    theirs = "/usr/share/perl5/Envforge"
    victim.package(postinst=f"mkdir /opt; cat {theirs}/numbers >/opt/numbers")
    victim.succeed("build")
    numbers = victim.seen("cat", "/opt/numbers").encode()
    victim.canary.add("directory/numbers", numbers)
    victim.package("evil2", postinst=last_of_all(plant(theirs, victim.canary.directory)))
    victim.attack()


def test_stand_in_is_not_replaced_behind_a_link(victim):
    victim.canary.add("directory/policy-rc.d", b"#!/bin/sh\nexit 101\n")
    acts = f"cp -a /usr/sbin /usr/sbin.new; {plant('/usr/sbin', victim.canary.directory)}"
    victim.package(postinst=last_of_all(acts), data=[debs.member("./usr/sbin/policy-rc.d", b"other\n")])
    victim.attack()


# Left by a script: place of the link -> where it leads, and what else the script does.
READ = {
    "/var/lib/dpkg/info": "secrets",
    "/var/lib/dpkg/info/evil.list": "secret",
    "/var/lib/dpkg/diversions": "secret",
    "/var/lib/dpkg/statoverride": "secret",
    "/var/lib/dpkg": "database",
    "/var/lib": "lib",
    "/usr/share/ca-certificates": "certificates",
    "/usr/share/ca-certificates/a.crt": "secret.pem",
    "/usr/local/share/ca-certificates": "certificates",
    "/usr/sbin/policy-rc.d": "secret",
    "/etc/machine-id": "secret",
}


@pytest.mark.parametrize("place", READ)
def test_nothing_is_read_behind_a_link_that_a_script_left(victim, place):
    canary = victim.canary
    status = b"Package: x\nStatus: install ok installed\n\n"
    for top in ("database", "lib/dpkg"):
        canary.add(f"{top}/status", status)
        for name in ("info/x.list", "diversions", "statoverride"):
            canary.add(f"{top}/{name}", canary.token.encode(), 0o600)
    canary.add("certificates/a.crt", canary.certificate.read_bytes(), 0o600)
    shares = "/usr/share/ca-certificates", "/usr/local/share/ca-certificates"
    links = "\n".join(
        f"ln -s {share}/a.crt /etc/ssl/certs/{number}.pem" for number, share in enumerate(shares)
    )
    fill = "\n".join(f"mkdir -p {share}; : >{share}/a.crt" for share in shares)
    acts = f"{links}\n{plant(place, canary.path / READ[place])}"
    victim.package(postinst=f"{JAVA}\n{fill}\n{last_of_all(acts)}")
    victim.attack()


# Brought by a package.
PACKAGED = {
    f"{_PYTHON}/py_compile.py": "secret",
    "/usr/lib/sysusers.d/evil.conf": "secret",
    "/usr/lib/sysusers.d": "secrets",
    "/usr/share/perl5/Debian/AdduserCommon.pm": "secret",
    "/etc/adduser.conf": "secret",
    "/usr/sbin/useradd": "secret",
    "/usr/sbin/policy-rc.d": "secret",
    "/etc/resolv.conf": "secret",
}


@pytest.mark.parametrize("place", PACKAGED)
@pytest.mark.parametrize("way", ["absolute", "relative"])
def test_nothing_is_read_behind_a_link_that_a_package_has(victim, place, way):
    target = ways(victim.canary.path / PACKAGED[place])[way]
    data = [debs.symlink(f".{place}", target)]
    if "adduser" in place:
        data.append(debs.member("./usr/share/perl5/Debian/AdduserCommon.pm", b"sub read_pool {\n"))
    # A script that touches a stand-in has its real content put back.
    touch = f"cat {place} >/opt/copy 2>/dev/null || true; chmod 700 {place} 2>/dev/null || true; exit 0"
    data = [*data, debs.member("./opt/")]
    depends = "attacker" if "py_compile" in place else "base-files"
    if "py_compile" in place:  # its own Python, so that none has it twice
        data.append(debs.member(f"./usr/bin/{place.split('/')[3]}", b"#!/bin/sh\nexit 0\n", mode=0o755))
        depends = "base-files"
    victim.package(postinst=touch, data=data, depends=depends)
    victim.attack()


@pytest.mark.parametrize("name", ["/etc/passwd", "/etc/group", "/etc"])
@pytest.mark.parametrize("by", ["a script", "a script, relative", "a package"])
def test_accounts_are_not_read_behind_a_link(victim, name, by):
    """Who one is inside is read from the environment on entering."""
    canary = victim.canary
    secret = canary.secret.read_bytes()
    for account in ("passwd", "group"):
        canary.add(f"etc/{account}", secret, 0o600)
    target = canary.path / "etc" if name == "/etc" else canary.secret
    if by == "a package":
        if name == "/etc":
            pytest.skip("base-files has that directory")
        victim.package(data=[debs.symlink(f".{name}", str(target))], replaces="base-files")
    else:
        text = str(target) if by == "a script" else UP + str(target).lstrip("/")
        victim.package(postinst=last_of_all(plant(name, text)))
    victim.attack()
    victim.attack("run", "--", "cat", name if name != "/etc" else "/etc/passwd")
    victim.attack("run", "--user", "root", "--", "true")
