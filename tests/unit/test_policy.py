"""The grammar of names: what packages have, and what no package may have."""

import pytest

from envforge.errors import ArchiveError, IntegrityError, StoreError
from envforge.sources.debian.dpkg import facts, policy
from envforge.sources.debian.model import LockedPackage

GOOD = {
    policy.PACKAGE: ("apt", "libstdc++6", "0ad", "g++-12", "libc6-dev", "python3.11"),
    policy.VERSION: ("1.0", "1:2.36-9+deb12u10", "2:1~rc1-1", "20230311+deb12u1", "5.2.15-2+b8", "0"),
    policy.ARCHITECTURE: ("all", "amd64", "kfreebsd-amd64", "musl-linux-armhf"),
    policy.MEMBER: ("postinst", "md5sums", "conffiles", "shlibs"),
    policy.FIELD: ("Package", "Pre-Depends", "X-Cargo-Built-Using", "Installed-Size"),
    policy.USER: ("root", "_apt", "Debian-exim", "www-data", "systemd-network", "host$"),
    policy.PATH: ("/etc/hosts", "/etc/a b", "/etc/..data", "/usr/bin/[", "/opt/ü"),
    policy.ARCHIVE_PATH: ("pool/main/0/0ad/0ad_0.0.26-3_amd64.deb", "./x/../y.deb"[8:], "a/b%3a1.deb"),
}
BAD = {
    policy.PACKAGE: ("", "../x", "a/b", ".a", "-a", "A", "a_b", "a b", "a\n", "a:amd64", "é", "x" * 300),
    policy.VERSION: ("", "../1", "1/2", "1 2", "1\n", ".1", "-1", "1_2", "a\0", "~1"),
    policy.ARCHITECTURE: ("", "../all", "amd64 i386", "all\n", "-", "any/x", "AMD64"),
    policy.MEMBER: ("", ".", "..", "a/b", "a\n", "-x", ".x", "x" * 101),
    policy.FIELD: ("", "-x", "#x", "a:b", "a b", "a\n"),
    policy.USER: ("", "../x", "a b", "-x", "1x", "a:b", "a\n", "a,b", "x" * 33),
    policy.PATH: ("", "etc/x", "/", "/etc/../x", "/..", "/etc/.", "/./x", "/a\nb", "/a\0", "/a\x7f"),
    policy.ARCHIVE_PATH: (
        "",
        "/x",
        "../x",
        "a/../b",
        "a/..",
        ".",
        "a//b",
        "a/",
        "a b",
        "a\n",
        "a\r\nHost: x",
    ),
}


@pytest.mark.parametrize("rule", GOOD, ids=lambda rule: rule.what)
def test_names_of_packages(rule):
    for name in GOOD[rule]:
        assert rule.check(name) == name


@pytest.mark.parametrize("rule", BAD, ids=lambda rule: rule.what)
def test_names_that_cannot_be(rule):
    for name in BAD[rule]:
        with pytest.raises(ArchiveError, match=f"no {rule.what}"):
            rule.check(name)


@pytest.mark.parametrize("name", ["ldconfig", "update-ca-certificates", "/usr/share/fonts", "/usr/lib/x/"])
def test_triggers(name):
    assert policy.trigger(name) == name


@pytest.mark.parametrize(
    "name", ["", "File", "Unincorp", "../x", "x/../../y", "/usr/../etc", "/..", "a b", "/a b", "-x", "a\n"]
)
def test_triggers_that_cannot_be(name):
    with pytest.raises(ArchiveError, match="no trigger"):
        policy.trigger(name)


def test_a_long_name_is_not_shown_whole():
    with pytest.raises(ArchiveError) as caught:
        policy.PACKAGE.check("x" * 5000)
    assert len(caught.value.message) < 300


LOCKED = LockedPackage("hello", "1.0", "all", "bookworm", "pool/hello.deb", 5, "a" * 64)


def facts_of(**changed):
    fields = {"Package": "hello", "Version": "1.0", "Architecture": "all", **changed}
    text = "".join(f"{name}: {value}\n" for name, value in fields.items() if name != "sha256")
    return facts.make(
        fields.get("sha256", "a" * 64),
        {"control": text.encode()},
        {},
        conffiles=(),
        newest_mtime=0,
        files=(),
        private_keys=(),
    )


def test_a_package_is_what_the_lock_says():
    policy.check_same(facts_of(), LOCKED)


@pytest.mark.parametrize(
    "changed", [{"Package": "other"}, {"Version": "1.0-1"}, {"Architecture": "amd64"}, {"sha256": "b" * 64}]
)
def test_another_package_than_the_lock_says(changed):
    with pytest.raises(IntegrityError, match=f"'{next(iter(changed.values()))}', the lock says"):
        policy.check_same(facts_of(**changed), LOCKED)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"name": "hello"', '"name": "../hello"'),
        ('"version": "1.0"', '"version": "1/0"'),
        ('"architecture": "all"', '"architecture": ".."'),
        ('"multi_arch": "no"', '"multi_arch": "../no"'),
        (f'"sha256": "{"a" * 64}"', '"sha256": "../../x"'),
        ('"members": {}', '"members": {"../x": "' + "a" * 64 + '"}'),
        ('"members": {}', '"members": {"postinst": "x"}'),
        ('"conffiles": []', '"conffiles": [{"path": "/etc/../x", "md5": "", "flags": []}]'),
        ('"interests": []', '"interests": [{"trigger": "../x", "waits": true}]'),
    ],
)
def test_facts_that_were_altered_in_the_store(old, new):
    text = facts.to_json(facts_of()).decode()
    assert old in text
    with pytest.raises(StoreError, match="broken"):
        facts.from_json(text.replace(old, new).encode())
