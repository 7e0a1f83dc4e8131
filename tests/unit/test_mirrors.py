"""Addresses: from the user's configuration, else the host's apt sources, else the public default."""

import pytest

from envforge.config import Config
from envforge.sources.debian.indexes import hostapt, mirrors
from envforge.sources.debian.indexes.hostapt import Entry
from envforge.sources.debian.indexes.mirrors import DEFAULTS, discover, urls
from envforge.sources.debian.model import LockedArchive

ONE_LINE = """\
# deb http://old/debian bookworm main
deb http://mirror.example.org/debian bookworm main contrib   # ours
deb-src http://mirror.example.org/debian bookworm main
deb [arch=amd64 signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://corp/repo-12 bookworm main
deb http://security.example.org bookworm-security main
deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://corp/sec bookworm-security main
deb https://apt.vendor.org/debian/12/prod bookworm main
deb https://download.vendor.com/linux/debian bookworm stable
deb cdrom:[Debian]/ bookworm main
deb mirror+file:/etc/apt/mirrors.txt bookworm main
deb file:/mnt/debian bookworm main
"""
DEB822 = """\
# a comment
Types: deb deb-src
URIs: http://one/debian/
 http://two/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://one/debian-security
Suites: bookworm-security
Components: main

Types: deb
Enabled: no
URIs: http://off/debian
Suites: bookworm
Components: main

Types: deb
URIs: http://vendor
Suites: stable
Components: main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 abc
"""


@pytest.fixture
def apt(tmp_path):
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "apt.conf.d").mkdir()
    return tmp_path


def found(apt, config=None):
    return discover(config or Config(snapshot=""), str(apt)).addresses


def test_one_line_sources(apt):
    (apt / "sources.list").write_text(ONE_LINE)
    assert found(apt) == {
        "debian": (
            "http://mirror.example.org/debian",
            "http://corp/repo-12",
            "file:///mnt/debian",
            *DEFAULTS["debian"],
        ),
        "debian-security": (
            "http://security.example.org",
            "http://corp/sec",
            *DEFAULTS["debian-security"],
        ),
    }


def test_deb822_sources(apt):
    (apt / "sources.list.d" / "debian.sources").write_text(DEB822)
    (apt / "sources.list.d" / "ignored.bak").write_text(ONE_LINE)
    assert found(apt) == {
        "debian": ("http://one/debian", "http://two/debian", *DEFAULTS["debian"]),
        "debian-security": ("http://one/debian-security", *DEFAULTS["debian-security"]),
    }


def test_entries_are_read_whole():
    assert list(hostapt.parse_one_line("deb [signed-by=/k.gpg arch=amd64] http://a/b/ s c d")) == [
        Entry("http://a/b", "s", ("c", "d"), "/k.gpg")
    ]
    entries = list(hostapt.parse_deb822(DEB822))
    assert len(entries) == 6
    assert entries[0] == Entry(
        "http://one/debian", "bookworm", ("main",), "/usr/share/keyrings/debian-archive-keyring.gpg"
    )
    assert entries[-1].signed_by == ""


def test_a_host_without_apt(tmp_path):
    assert found(tmp_path / "none") == DEFAULTS
    assert hostapt.read_proxies(str(tmp_path / "none")) == {}
    assert hostapt.checks_dates(str(tmp_path / "none"))


def test_another_distribution_is_no_mirror_of_debian(apt):
    (apt / "sources.list").write_text("deb http://archive.ubuntu.com/ubuntu noble main universe\n")
    assert found(apt) == DEFAULTS


def test_the_users_mirrors_come_alone(apt):
    (apt / "sources.list").write_text(ONE_LINE)
    config = Config(mirrors={"debian": ("http://mine",), "https://far": ("http://near",)})
    assert found(apt, config)["debian"] == ("http://mine",)
    assert discover(config, str(apt)).of("https://far") == ("http://near",)
    assert discover(config, str(apt)).of("https://other") == ("https://other",)


def test_where_a_pinned_file_is_looked_for():
    known = mirrors.Mirrors({"debian": ("http://a",), "debian-security": ("http://s",)}, "https://snap")
    main = LockedArchive("bookworm", "bookworm", "2026-07-11T10:16:37Z", "f")
    assert urls(known, main, "pool/x.deb") == (
        "http://a/pool/x.deb",
        "https://snap/debian/20260711T221637Z/pool/x.deb",
        "https://snap/debian/20260711T101637Z/pool/x.deb",
    )
    security = LockedArchive("bookworm-security", "bookworm-security", "2026-07-11T10:16:37Z", "f")
    assert urls(known, security, "x")[0] == "http://s/x"
    further = LockedArchive("o", "stable", "2026-07-11T10:16:37Z", "f", "https://other")
    assert urls(known, further, "x") == ("https://other/x",)


def test_apts_own_settings(apt):
    (apt / "apt.conf.d" / "01first").write_text(
        'Acquire::http::Proxy "http://first:1";  // an older one\n'
        'Acquire { Check-Valid-Until "false"; https { Proxy "http://tls:2"; }; };\n'
    )
    (apt / "apt.conf").write_text(
        '/* "quoted" { */\n# comment\nAcquire::HTTP::Proxy "http://p:3128/";\n'
        'DPkg::Post-Invoke { "rm -f //x"; };\n'
    )
    assert hostapt.read_proxies(str(apt)) == {"http": "http://p:3128/", "https": "http://tls:2"}
    assert not hostapt.checks_dates(str(apt))
    assert discover(Config(), str(apt)).check_valid_until
    assert not discover(Config(), str(apt)).host_checks
    assert not discover(Config(check_valid_until=False), str(apt)).check_valid_until


def test_a_direct_connection_is_no_proxy(apt):
    (apt / "apt.conf").write_text('Acquire::http::Proxy "DIRECT";\n')
    assert hostapt.read_proxies(str(apt)) == {}
