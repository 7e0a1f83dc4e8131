"""What is laid over /etc on entering, and what a new home begins with: texts and files, no namespaces."""

import base64
import os
import shutil
import stat
import subprocess

import pytest

from envforge.config import Config
from envforge.environment.entering import certificates, homes
from envforge.environment.entering.system_files import Accounts, hosts_text, system_files
from envforge.environment.made.brought import Brought
from envforge.environment.made.own_files import HomeFile, OwnFiles, archived_locales, read_here
from envforge.environment.projects.project import Project
from envforge.sandbox.inherited import unknown_locales
from envforge.sources import registry
from envforge.sources.debian.inside import sources_text
from envforge.sources.interface import Laid, Source
from envforge.spec.model import Debian
from envforge.spec.parse import parse
from envforge.store import listing
from envforge.store.listing import Entry

NOTHING = Brought()
LOOPBACK = "::1\tip6-localhost ip6-loopback\n"


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("", "127.0.1.1\tshop\n127.0.0.1\tlocalhost\n" + LOOPBACK),
        (
            "127.0.0.1 localhost\n127.0.1.1 machine",
            "127.0.1.1\tshop\n127.0.0.1 localhost\n127.0.1.1 machine\n" + LOOPBACK,
        ),
        ("::1 x\n\n# 127.0.0.1 y\n", "127.0.1.1\tshop\n::1 x\n\n# 127.0.0.1 y\n127.0.0.1\tlocalhost\n"),
    ],
)
def test_the_hosts_file_has_the_own_name_first(lines, expected):
    assert hosts_text(lines, "shop") == expected


def pem(der: bytes, kind: bytes = b"CERTIFICATE") -> bytes:
    return b"-----BEGIN %s-----\n%s-----END %s-----\n" % (kind, base64.encodebytes(der), kind)


def test_certificates_that_are_not_the_environments_own_come_behind_its_own(tmp_path):
    own = b"# kept\n" + pem(b"own" * 40)
    files = {
        "a.pem": pem(b"own" * 40) + pem(b"new" * 40),
        "b.pem": pem(b"new" * 40),
        "key": pem(b"k", b"KEY"),
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    paths = [str(tmp_path / name) for name in (*files, "missing")]
    found = certificates.extra_ones(paths, own)
    assert [(one.der, one.source) for one in found] == [(b"new" * 40, paths[0])]
    bundle = certificates.with_extra(own.rstrip(b"\n"), found)
    assert bundle.startswith(own)
    assert certificates.certificates_of(bundle) == [b"own" * 40, b"new" * 40]


def test_a_certificate_is_called_by_its_common_name(tmp_path):
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl")
    words = "openssl req -x509 -newkey rsa:2048 -nodes -keyout k -out c.pem -subj"
    subprocess.run([*words.split(), "/O=A/CN=Our Own"], cwd=tmp_path, check=True, capture_output=True)
    (one,) = certificates.extra_ones([str(tmp_path / "c.pem")], b"")
    assert one.name == "Our Own"
    assert certificates.Certificate(b"no certificate", "").name.isalnum()


def test_sources_are_what_the_host_names(tmp_path):
    named = tmp_path / "named.pem"
    named.write_bytes(pem(b"x"))
    host = {"NODE_EXTRA_CA_CERTS": str(named), "SSL_CERT_FILE": "relative", "CURL_CA_BUNDLE": "/nonexistent"}
    assert str(named) in certificates.sources(host)
    assert {"relative", "/nonexistent"}.isdisjoint(certificates.sources(host))


def test_locales_are_compared_as_glibc_does():
    asked = {
        "LANG": "de_DE.UTF-8",
        "LC_ALL": "",
        "LC_TIME": "fr_FR",
        "LC_CTYPE": "C",
        "LC_NUMERIC": "ca_ES.utf8@valencia",
        "OTHER": "xx",
    }
    assert unknown_locales(asked, ()) == ["LANG", "LC_TIME", "LC_NUMERIC"]
    assert unknown_locales(asked, ("de_DE.utf8@", "ca_ES.utf8@valencia")) == ["LC_TIME"]


def test_the_names_in_a_locale_archive(tmp_path):
    if shutil.which("localedef") is None or not os.path.isdir("/usr/share/i18n/locales"):
        pytest.skip("needs localedef and the package locales")
    (tmp_path / "usr/lib/locale").mkdir(parents=True)
    words = ["localedef", f"--prefix={tmp_path}", "-i", "en_US", "-f", "UTF-8", "en_US.UTF-8"]
    subprocess.run(words, check=True, capture_output=True)
    assert "en_US.utf8" in read_here([str(tmp_path)])["locales"]


def test_what_is_no_locale_archive_has_no_names():
    assert archived_locales(b"") == []
    assert archived_locales(b"\x09\x01\x02\xde" + b"\xff" * 60) == []


def test_own_files_are_read_from_the_topmost_layer(tmp_path):
    upper, lower = tmp_path / "upper", tmp_path / "lower"
    for layer in (upper, lower):
        (layer / "etc/skel").mkdir(parents=True)
        (layer / "usr/lib/locale/C.utf8").mkdir(parents=True)
        (layer / "etc/skel/.profile").write_text(layer.name)
    (lower / "etc/passwd").write_text("of lower")
    (lower / "etc/skel/.bashrc").symlink_to("/etc/bash.bashrc")
    (upper / "etc/group").symlink_to("/etc/hostname")  # leads nowhere inside
    found = read_here([str(upper), str(lower)])
    assert (found["passwd"], found["group"], found["bundle"]) == ("of lower", "", "")
    files = {path: base64.b64decode(content) for path, _, content in found["skeleton"]}
    assert files == {".profile": b"upper", ".bashrc": b"/etc/bash.bashrc"}


def test_a_new_home_holds_what_the_skeleton_does_and_nothing_gets_out_of_it(tmp_path, empty_home):
    del empty_home
    outside = tmp_path / "outside"
    outside.mkdir()
    files = [
        HomeFile(".profile", stat.S_IFREG | 0o4755, b"text"),
        HomeFile("deep/er", stat.S_IFREG | 0o600, b""),
        HomeFile("../outside/x", stat.S_IFREG | 0o644, b"no"),
        HomeFile("link", stat.S_IFLNK | 0o777, os.fsencode(outside)),
        HomeFile("fifo", stat.S_IFIFO | 0o644, b""),
    ]
    home = homes.private_home("project", files)
    assert sorted(os.listdir(home)) == [".profile", "deep", "link"]
    assert os.stat(f"{home}/.profile").st_mode & 0o7777 == 0o755
    assert os.stat(home).st_mode & 0o777 == 0o700
    assert os.listdir(outside) == []
    os.unlink(f"{home}/.profile")
    assert homes.private_home("project", files) == home
    assert not os.path.exists(f"{home}/.profile")  # the user's own from now on


def test_apts_sources_are_the_specs_archives():
    debian = Debian("trixie", components=("main", "contrib"))
    addresses = {
        "debian": ("file:///mirror", "http://a.example/debian"),
        "debian-security": ("http://b.example",),
    }
    assert sources_text(debian, addresses).splitlines() == [
        "Types: deb",
        "URIs: http://a.example/debian",
        "Suites: trixie trixie-updates",
        "Components: main contrib",
        "Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg",
        "",
        "Types: deb",
        "URIs: http://b.example",
        "Suites: trixie-security",
        "Components: main contrib",
        "Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg",
    ]


class OtherSource(Source):
    """One that lays a file for a tool of its own, and one for none."""

    name = "other"
    tools = ("/usr/bin/tool",)

    def laid(self, spec, config, *, tools, is_root):
        del spec, config, is_root
        yield Laid("/etc/other", b"always")
        if tools:
            yield Laid("/etc/tool", b"for the tool")


def mounted(tmp_path, own, brought=NOTHING):
    text = b'name = "shop"\n\n[debian]\nsuite = "bookworm"\npackages = []\n'
    specs = {"default": parse(text, "envforge.toml")}
    project = Project(str(tmp_path / "envforge.toml"), specs, text, str(tmp_path / "store"), Config())
    files = system_files(project, own, brought, Accounts("", "", is_root=False), {})
    return {mount.target for mount in files.mounts}


def test_every_source_lays_its_files_whether_or_not_there_is_apt(tmp_path, empty_home, monkeypatch):
    del empty_home
    monkeypatch.setattr(registry, "LOCKED", (*registry.LOCKED, OtherSource()))
    assert {"/etc/other", "/etc/tool"} & mounted(tmp_path, OwnFiles()) == {"/etc/other"}
    found = mounted(tmp_path, OwnFiles(tools=frozenset({"/usr/bin/tool", "/usr/bin/apt-get"})))
    assert {"/etc/other", "/etc/tool", "/usr/local/sbin/apt"} <= found


def test_what_the_specs_own_layers_hold_is_not_covered(tmp_path, empty_home):
    del empty_home
    names = ["/", "/etc", "/etc/hosts", "/etc/resolv.conf.d", "/usr/local/sbin/apt"]
    brought = Brought((listing.dump(Entry(os.fsencode(name), "f") for name in names),))
    own = OwnFiles(tools=frozenset({"/usr/bin/apt-get"}))
    assert {"/etc/hosts", "/usr/local/sbin/apt"} <= mounted(tmp_path, own)
    found = mounted(tmp_path, own, brought)
    assert {"/etc/hosts", "/usr/local/sbin/apt"}.isdisjoint(found)
    assert {"/etc/resolv.conf", "/usr/local/sbin/apt-get"} <= found


def test_what_lies_below_a_home_is_found_by_its_path_not_by_where_a_link_leads():
    entries = [
        Entry(b"/home", "d"),
        Entry(b"/home/me", "d"),
        Entry(b"/home/meadow/x", "f"),
        Entry(b"/opt/link", "l", content=b"/home/me/x"),
    ]
    assert Brought((listing.dump(entries),)).below("/home/me") == ""
    assert (
        Brought((listing.dump([*entries, Entry(b"/home/me/a b", "f")]),)).below("/home/me/") == "/home/me/a b"
    )
    assert Brought().below("/home/me") == ""
