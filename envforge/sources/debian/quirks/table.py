"""Machine state that packages make when they are installed, and that no layer may hold: keys, ids, caches.

A reviewed table, part of the recipe format: a change that alters a layer's bytes raises `recipe.FORMAT`.
Stand-ins lie over the real programs while packages are configured (`configure/scaffold.py`); then the paths
in `removed` go, and the text in `dated`.
"""

from collections.abc import Iterable
from typing import Final

from attrs import frozen

NOTHING: Final = "#!/bin/sh\nexit 0\n"
"""A program that does nothing, with success."""


def _makes_empty(path: str) -> str:
    return f"#!/bin/sh\n: > {path}\n"


@frozen
class Quirk:
    """Stand-ins of one package while it is configured, and the paths and answers that are removed then."""

    package: str
    """Empty: it applies to every set of packages."""
    why: str
    stand_ins: tuple[tuple[str, str], ...] = ()
    """Path and text of programs (and other files) in place of real ones."""
    removed: tuple[str, ...] = ()
    """Shell patterns of paths. ucf's records of them are removed, too."""
    dated: tuple[tuple[str, str], ...] = ()
    """Path of a text file that is kept, and the regular expression of text in it that names the moment or the
    machine; `^` and `$` match at lines."""
    questions: tuple[str, ...] = ()
    """Questions of debconf whose answers are secrets, though they are no passwords."""


TABLE: Final = (
    Quirk(
        "",
        "nothing is started, and libc6 does not wait a second for services that are not there",
        stand_ins=(
            ("/usr/sbin/policy-rc.d", "#!/bin/sh\nexit 101\n"),
            ("/usr/sbin/start-stop-daemon", NOTHING),
            ("/usr/bin/ischroot", NOTHING),
        ),
    ),
    Quirk(
        "",
        "every system has one, and scripts look for a domain there; this one names none",
        stand_ins=(("/etc/resolv.conf", "# no name server\n"),),
    ),
    Quirk(
        "",
        "logs, caches and backups of this run",
        removed=(
            "/etc/.pwd.lock",
            "/etc/group-",
            "/etc/gshadow-",
            "/etc/passwd-",
            "/etc/shadow-",
            "/etc/subgid-",
            "/etc/subuid-",
            "/etc/ld.so.cache",
            "/root/.rnd",
            "/var/cache/apt/*",
            "/var/cache/debconf/*-old",
            "/var/cache/ldconfig/aux-cache",
            "/var/cache/man/*",
            "/var/lib/dpkg/*-old",
            "/var/log/alternatives.log",
            "/var/log/apt/*",
            "/var/log/bootstrap.log",
            "/var/log/dpkg.log",
        ),
    ),
    Quirk(
        "",
        "dpkg's database is a layer of its own",
        removed=(
            "/var/lib/dpkg/arch",
            "/var/lib/dpkg/available",
            "/var/lib/dpkg/cmethopt",
            "/var/lib/dpkg/diversions",
            "/var/lib/dpkg/info",
            "/var/lib/dpkg/lock",
            "/var/lib/dpkg/lock-frontend",
            "/var/lib/dpkg/parts",
            "/var/lib/dpkg/statoverride",
            "/var/lib/dpkg/status",
            "/var/lib/dpkg/tmp.ci",
            "/var/lib/dpkg/triggers",
            "/var/lib/dpkg/updates",
            "/var/lib/apt/extended_states",
        ),
    ),
    Quirk(
        "",
        "what makes one machine that machine; systemd and dbus make it at first start",
        removed=(
            "/var/lib/dbus/machine-id",
            "/var/lib/systemd/credential.secret",
            "/var/lib/systemd/random-seed",
        ),
    ),
    Quirk(
        "systemd",
        "an empty file says that this machine has no identity yet (machine-id(5))",
        stand_ins=(("/usr/bin/systemd-machine-id-setup", _makes_empty("/etc/machine-id")),),
    ),
    Quirk("openssh-server", "host keys belong to a machine", stand_ins=(("/usr/bin/ssh-keygen", NOTHING),)),
    Quirk(
        "dropbear",
        "likewise; its script reads the public key that the program shows",
        stand_ins=(("/usr/bin/dropbearkey", "#!/bin/sh\necho ssh-rsa none\n"),),
    ),
    Quirk("ssl-cert", "so does a certificate's key", stand_ins=(("/usr/sbin/make-ssl-cert", NOTHING),)),
    Quirk(
        "postgresql-common",
        "a database cluster has an identity of its own; pg_createcluster makes one",
        stand_ins=(("/usr/bin/pg_createcluster", NOTHING),),
    ),
    Quirk(
        "mariadb-server",
        "likewise; mariadb-install-db makes one",
        stand_ins=(("/usr/bin/mariadb-install-db", NOTHING), ("/usr/bin/mysql_install_db", NOTHING)),
    ),
    Quirk(
        "bind9",
        "a key for remote control; rndc-confgen -a makes one",
        stand_ins=(("/usr/sbin/rndc-confgen", _makes_empty("/etc/bind/rndc.key")),),
        removed=("/etc/bind/rndc.key",),
    ),
    Quirk(
        "xrdp",
        "a key of the machine; xrdp-keygen makes one",
        stand_ins=(("/usr/bin/xrdp-keygen", _makes_empty("/etc/xrdp/rsakeys.ini")),),
        removed=("/etc/xrdp/rsakeys.ini",),
    ),
    Quirk(
        "erlang-base",
        "a secret that Erlang makes itself, in the home of whoever runs it first",
        removed=("/root/.erlang.cookie", "/var/lib/*/.erlang.cookie"),
    ),
    Quirk("munge", "a secret shared by a cluster's machines", removed=("/etc/munge/munge.key",)),
    Quirk("varnish", "a secret for its administration", removed=("/etc/varnish/secret",)),
    Quirk("ejabberd", "a self-made certificate and its key", removed=("/etc/ejabberd/ejabberd.pem",)),
    Quirk("quassel-core", "likewise", removed=("/var/lib/quassel/quasselCert.pem",)),
    Quirk(
        "xpra",
        "likewise",
        removed=("/etc/xpra/key.pem", "/etc/xpra/cert.pem", "/etc/xpra/ssl-cert.pem"),
    ),
    Quirk(
        "freeradius-config", "random parameters of a key exchange", removed=("/etc/freeradius/3.0/certs/dh",)
    ),
    Quirk("phpmyadmin", "a secret for cookies", removed=("/var/lib/phpmyadmin/blowfish_secret.inc.php",)),
    Quirk(
        "slapd",
        "a directory with times and a password; `dpkg-reconfigure slapd` makes one",
        removed=("/etc/ldap/slapd.d", "/var/lib/ldap/*"),
    ),
    Quirk(
        "mailman3",
        "a password of its REST interface; `dpkg-reconfigure mailman3` makes one",
        removed=("/etc/mailman3/mailman.cfg",),
    ),
    Quirk(
        "roundcube-core",
        "a key of sessions, and a database's password; `dpkg-reconfigure roundcube-core` makes them",
        removed=(
            "/etc/roundcube/config.inc.php",
            "/etc/roundcube/debian-db.php",
            "/var/lib/dbconfig-common/*",
        ),
    ),
    Quirk(
        "dbconfig-common",
        "passwords of databases; `dpkg-reconfigure` of the package that has one makes it",
        removed=("/etc/dbconfig-common/*.conf",),
    ),
    Quirk(
        "backuppc",
        "a password of its web pages; `dpkg-reconfigure backuppc` makes one",
        removed=("/etc/backuppc/htpasswd",),
        questions=("backuppc/tmppass", "backuppc/configuration-note"),
    ),
    Quirk(
        "crowdsec",
        "the machine's account and password; `cscli machines add --auto` makes them",
        stand_ins=(("/usr/bin/cscli", NOTHING),),
        removed=(
            "/etc/crowdsec/local_api_credentials.yaml",
            "/etc/crowdsec/online_api_credentials.yaml",
            "/etc/machine-id",
            "/var/lib/crowdsec/data/crowdsec.db*",
        ),
    ),
    Quirk("postfix", "a database with the time in it; newaliases makes it", removed=("/etc/aliases.db",)),
    Quirk(
        "man-db",
        "the index of all manuals follows from the set; `mandb` makes it, and none is needed to read one",
        stand_ins=(("/usr/bin/mandb", NOTHING),),
    ),
    Quirk(
        "texlive-binaries",
        "formats that keep the minute (TeX), or an order that follows from it (LuaTeX): mktexfmt makes them "
        "at first use; and logs with dates",
        removed=(
            "/var/lib/texmf/web2c/lua*/*.fmt",
            "/var/lib/texmf/web2c/tex/tex.fmt",
            "/var/lib/texmf/web2c/*.log",
            "/var/lib/texmf/web2c/*/*.log",
        ),
    ),
    Quirk(
        "octave",
        "the list of its packages begins with a comment: version, time, user and host",
        dated=(("/usr/share/octave/octave_packages", r"(?<=^# Created by Octave) .*$"),),
    ),
    Quirk(
        "mono-runtime",
        "machine code for the processor that builds, never the same twice; mono compiles when it runs too",
        stand_ins=(
            (
                "/usr/bin/mono",
                '#!/bin/sh\ncase "$1" in --aot*) exit 0 ;; esac\nexec /usr/bin/mono-sgen "$@"\n',
            ),
        ),
        removed=("/usr/lib/mono/aot-cache",),
    ),
    Quirk(
        "ca-certificates-java",
        "the keystore is written by jks.py",
        removed=("/var/lib/ca-certificates-java/fresh", "/var/lib/ca-certificates-java/pending"),
    ),
)
"""By package, as Debian 12 and 13 have them."""

VARIABLES: Final = {"CACERT_UPDATES": "disabled", "FORCE_SOURCE_DATE": "1"}
"""Environment variables of the scripts. The first keeps ca-certificates-java from starting Java; with the
second TeX writes SOURCE_DATE_EPOCH into its formats, not the time at which they are made."""


def stand_ins(packages: Iterable[str]) -> dict[str, str]:
    """Return path and text of the stand-ins for a set of packages."""
    return {path: text for quirk in _of(packages) for path, text in quirk.stand_ins}


def removed(packages: Iterable[str]) -> tuple[str, ...]:
    """Return the patterns of paths to remove after configuring a set of packages."""
    return tuple(pattern for quirk in _of(packages) for pattern in quirk.removed)


def dated(packages: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """Return path and regular expression of the text to remove after configuring a set of packages."""
    return tuple(one for quirk in _of(packages) for one in quirk.dated)


def questions(packages: Iterable[str]) -> frozenset[str]:
    """Return the questions that debconf is to forget after configuring a set of packages."""
    return frozenset(question for quirk in _of(packages) for question in quirk.questions)


def _of(packages: Iterable[str]) -> list[Quirk]:
    names = {name.partition(":")[0] for name in packages}
    return [quirk for quirk in TABLE if not quirk.package or quirk.package in names]
