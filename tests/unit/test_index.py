"""Indexes are believed only with a good signature and the right hashes, and never go back."""

import gzip
import hashlib
import lzma
import os
import resource
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest
import web
from attrs import evolve
from small_archive import DATE, FINGERPRINT, KEYS, Archive, public_key

from envforge.errors import IntegrityError, NetworkError, SignatureError
from envforge.sources.debian.indexes import index, packages, release
from envforge.sources.debian.indexes.mirrors import Mirrors
from envforge.sources.debian.indexes.release import Access, Source
from envforge.sources.debian.indexes.signature import (
    keys_of_bytes,
    keys_of_file,
    shipped_keys,
    with_fingerprint,
)
from envforge.store import blobs
from envforge.store.layout import open_store
from envforge.transfer.http import Fetcher

NOW = datetime(2026, 1, 2, tzinfo=UTC)
INRELEASE = "/dists/bookworm/InRelease"
OLD_DATE = "Wed, 01 Oct 2025 00:00:00 UTC"


@pytest.fixture
def archive(tmp_path):
    made = Archive(tmp_path / "web")
    made.add(
        "hello", "2.10-1", depends="libc6 (>= 2.36),\n libgreet1 | greeter", provides="greeting (= 1), salute"
    )
    made.add("hello", "2.9-1")
    made.add("base-files", essential="yes", priority="required")
    made.publish()
    return made


@pytest.fixture
def server(archive):
    with web.serving(archive.path) as running:
        yield running


@pytest.fixture
def access(tmp_path, server):
    with Fetcher(timeout_s=5) as fetcher:
        yield Access(open_store(str(tmp_path / "store")), fetcher, Mirrors({"debian": (server.url,)}))


SOURCE = Source("bookworm", "bookworm", ("main",), certs=keys_of_bytes(public_key(), "the tests' key"))


def refresh(access, source=SOURCE, now=NOW):
    return index.refresh(access, [source], architecture="amd64", now=now)[0]


def test_what_the_index_says(access):
    suite = refresh(access)
    found = list(suite.find("hello"))
    assert [package.version for package in found] == ["2.10-1", "2.9-1"]
    assert found[0].path == "pool/hello_2.10-1_all.deb"
    assert found[0].relations == {
        "Depends": "libc6 (>= 2.36), libgreet1 | greeter",
        "Provides": "greeting (= 1), salute",
    }
    file = suite.files[0].index
    assert [package.name for package in file.providers("salute")] == ["hello"]
    assert [package.name for package in file.base()] == ["base-files"]
    assert set(file.names()) == {"hello", "base-files", "greeting", "salute"}
    assert not list(suite.find("hell"))
    assert suite.release.fingerprints == (FINGERPRINT,)
    assert suite.release.date == datetime(2026, 1, 1, tzinfo=UTC)


def test_a_warm_refresh_fetches_only_the_signed_file(access, server):
    refresh(access)
    refresh(access)
    assert server.asked[INRELEASE] == 2
    assert sum(server.asked.values()) == 3


def test_a_warm_refresh_asks_whether_it_changed(access, server, archive):
    server.validators = True
    refresh(access)
    again = refresh(access)
    assert "If-None-Match" in server.headers[-1]
    assert again.release.fields["Date"] == DATE
    archive.add("new")
    archive.publish()
    assert list(refresh(access).find("new"))


def test_a_bad_signature(access, archive):
    path = archive.path / INRELEASE.lstrip("/")
    path.write_bytes(path.read_bytes().replace(b"Origin: Tests", b"Origin: Nests"))
    with pytest.raises(SignatureError, match="bad"):
        refresh(access)


def test_text_outside_of_the_signed_part_is_never_read(access, archive):
    path = archive.path / INRELEASE.lstrip("/")
    path.write_bytes(path.read_bytes() + b"\nSHA256:\n " + b"0" * 64 + b" 1 main/binary-amd64/Packages\n")
    try:
        found = refresh(access)
    except SignatureError:
        return
    assert b"0" * 64 not in found.release.text


def test_a_stranger_signed_it(access):
    with pytest.raises(SignatureError, match="whom nothing here trusts"):
        refresh(access, evolve(SOURCE, certs=shipped_keys()))


def test_an_expired_key(access, archive):
    path = archive.path / INRELEASE.lstrip("/")
    path.write_bytes((KEYS / "expired.InRelease").read_bytes())
    with pytest.raises(SignatureError, match="expired on 2020-12-31"):
        refresh(access, evolve(SOURCE, certs=keys_of_file(str(KEYS / "expired.asc"))))


def test_no_signature_at_all(access, archive):
    archive.publish(sign_by=None)
    with pytest.raises(SignatureError, match="not signed"):
        refresh(access)


def test_a_page_in_place_of_the_index(access, archive):
    (archive.path / INRELEASE.lstrip("/")).write_text("<html>Log in to use the network</html>")
    with pytest.raises(SignatureError, match="no signature"):
        refresh(access)


def test_a_detached_signature(access, archive):
    archive.publish(sign_by="detached")
    assert list(refresh(access).find("hello"))


def test_a_bad_detached_signature(access, archive):
    archive.publish(sign_by="detached")
    path = archive.path / "dists/bookworm/Release"
    path.write_bytes(path.read_bytes().replace(b"Tests", b"Nests"))
    with pytest.raises(SignatureError, match="bad"):
        refresh(access)


def test_an_expired_index(access, archive):
    archive.publish(Valid_Until="Thu, 01 Jan 2026 12:00:00 UTC")
    with pytest.raises(SignatureError, match="expired on 2026-01-01 12:00") as caught:
        refresh(access)
    assert "check-valid-until" not in caught.value.hint
    careless = evolve(access, mirrors=evolve(access.mirrors, host_checks=False))
    with pytest.raises(SignatureError, match="expired on 2026-01-01 12:00") as caught:
        refresh(careless)
    assert "check-valid-until = false in config.toml" in caught.value.hint
    refresh(access, now=datetime(2026, 1, 1, 11, tzinfo=UTC))
    told = evolve(access, mirrors=evolve(access.mirrors, check_valid_until=False))
    refresh(told)


def test_an_index_older_than_the_lock_saw(access):
    with pytest.raises(SignatureError, match="the lock saw one of 2026-01-01T00:00:01Z"):
        refresh(access, evolve(SOURCE, not_before="2026-01-01T00:00:01Z"))
    refresh(access, evolve(SOURCE, not_before="2026-01-01T00:00:00Z"))


def test_an_index_without_a_date(access, archive):
    archive.publish(date="")
    with pytest.raises(SignatureError, match="not a date"):
        refresh(access)


def test_another_suites_index_in_its_place(access, archive):
    archive.publish("bullseye")
    (archive.path / "dists/bookworm/InRelease").write_bytes(
        (archive.path / "dists/bullseye/InRelease").read_bytes()
    )
    with pytest.raises(SignatureError, match="index of bullseye, not of bookworm"):
        refresh(access)


@pytest.mark.parametrize("fault", ["wrong bytes", "too long", "too short"])
def test_packages_with_wrong_bytes(access, server, fault):
    server.faults["/dists/bookworm/main/binary-amd64/Packages.xz"] = fault
    with pytest.raises(IntegrityError):
        refresh(access)


def test_packages_that_stop_in_the_middle(access, server):
    server.faults["/dists/bookworm/main/binary-amd64/Packages.xz"] = "stops"
    with pytest.raises(NetworkError, match="stopped in the middle"):
        refresh(access)


def test_packages_by_hash(access, archive, server):
    archive.publish(Acquire_By_Hash="yes")
    directory = archive.path / "dists/bookworm/main/binary-amd64"
    packed = directory / "Packages.xz"
    by_hash = directory / "by-hash" / "SHA256"
    by_hash.mkdir(parents=True)
    sha256 = blobs.put(access.store, packed.read_bytes())
    packed.rename(by_hash / sha256)
    os.unlink(access.store.blob(sha256))
    assert list(refresh(access).find("hello"))
    assert server.asked["/dists/bookworm/main/binary-amd64/Packages.xz"] == 0


def publish_packed(archive, ending, content, plain=None):
    """Publish an index of which only the packed file is there; `plain` is its SHA-256 and size unpacked."""
    directory = "main/binary-amd64/Packages"
    listed = [f" {hashlib.sha256(content).hexdigest()} {len(content)} {directory}{ending}\n"]
    if plain:
        listed.append(f" {plain[0]} {plain[1]} {directory}\n")
    archive.publish(listed=listed)
    (archive.path / f"dists/bookworm/{directory}{ending}").write_bytes(content)


@pytest.mark.parametrize(("size", "match"), [(5, "more than the promised 5"), (15, "it must be"), (99, "99")])
def test_packages_that_unpack_to_something_else(access, archive, size, match):
    publish_packed(archive, ".xz", lzma.compress(b"Package: other\n"), ("0" * 64, size))
    with pytest.raises(IntegrityError, match=match):
        refresh(access)


@pytest.mark.parametrize(
    ("ending", "pack"), [(".gz", partial(gzip.compress, compresslevel=1)), (".xz", lzma.compress)]
)
@pytest.mark.parametrize("plain", [None, ("0" * 64, 1000)])
def test_a_bomb_is_not_unpacked(access, archive, ending, pack, plain):
    """256 MiB in less than one: refused early, with little in memory and nothing left on the disk."""
    content = pack(bytes(256 << 20))
    publish_packed(archive, ending, content, plain)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    written = resource.getrusage(resource.RUSAGE_SELF).ru_oublock
    with pytest.raises(IntegrityError, match=f"Packages{ending}, unpacked: more than the promised"):
        refresh(access)
    used = resource.getrusage(resource.RUSAGE_SELF)
    assert used.ru_maxrss - before < 100 << 10
    assert (used.ru_oublock - written) * 512 < 40 << 20
    assert os.listdir(f"{access.store.path}/staging") == []


def test_an_index_of_impossible_size_is_not_fetched(access, archive, server):
    archive.publish(
        listed=[
            f" {'0' * 64} 9 main/binary-amd64/Packages.xz\n",
            f" {'1' * 64} {1 << 40} main/binary-amd64/Packages\n",
        ]
    )
    with pytest.raises(IntegrityError, match="more than the 512"):
        refresh(access)
    assert not any("Packages" in path for path in server.asked)


def test_an_index_of_nothing_but_stanzas_or_names(monkeypatch):
    monkeypatch.setattr(packages, "_STANZAS_MAX", 3)
    monkeypatch.setattr(packages, "_NAMES_MAX", 3)
    packages.make_table(b"Package: a\n\n" * 3)
    with pytest.raises(IntegrityError, match="more than 3 stanzas"):
        packages.make_table(b"Package: a\n\n" * 4)
    with pytest.raises(IntegrityError, match="more than 3 packages"):
        packages.make_table(b"Package: a\nProvides: b, c, d\n\nPackage: a\nProvides: e\n")
    monkeypatch.setattr(packages, "_STANZA_MAX_BYTES", 20)
    with pytest.raises(IntegrityError, match="a stanza of"):
        packages.make_table(b"Package: a\nProvides: b, c, d\n\n")


def test_a_component_that_is_not_there(access):
    with pytest.raises(IntegrityError, match="contrib"):
        refresh(access, evolve(SOURCE, components=("contrib",)))


def test_a_suite_that_is_not_there(access):
    with pytest.raises(NetworkError, match="no mirror has the suite bookwurm"):
        refresh(access, evolve(SOURCE, suite="bookwurm"))


def test_a_good_mirror_after_a_bad_one(access, server, tmp_path):
    other = Archive(tmp_path / "other")
    other.publish(date=OLD_DATE, Valid_Until="Thu, 02 Oct 2025 00:00:00 UTC")
    with web.serving(other.path) as stale:
        both = evolve(access, mirrors=Mirrors({"debian": (stale.url, server.url)}))
        assert list(refresh(both).find("hello"))


def test_no_network(access):
    gone = evolve(access, mirrors=Mirrors({"debian": ("http://127.0.0.1:9/debian",)}))
    with pytest.raises(NetworkError, match=r"127\.0\.0\.1:9"):
        refresh(gone)


def test_architecture_all_apart(access, archive):
    archive.publish(Architectures="all amd64")
    assert len(refresh(access).files) == 1
    archive.publish(Architectures="all amd64", No_Support_for_Architecture_all="Packages")
    assert len(refresh(access).files) == 1


@pytest.mark.parametrize("path", ["../../etc/shadow", "/etc/shadow", "pool/../../x"])
def test_paths_that_lead_out_of_the_archive(path):
    text = f"Package: a\nVersion: 1\nArchitecture: all\nFilename: {path}\nSize: 1\nSHA256: {'0' * 64}\n"
    with pytest.raises(IntegrityError, match="no path in an archive"):
        packages.parse_stanza(text)


@pytest.mark.parametrize("text", ["Package: a\n", "", "Package: a\nVersion: 1\nArchitecture: all\nSize: x\n"])
def test_stanzas_that_say_too_little(text):
    with pytest.raises(IntegrityError):
        packages.parse_stanza(text)


def test_an_empty_packages_file(access, archive):
    archive.stanzas.clear()
    archive.publish()
    assert not list(refresh(access).find("hello"))


def test_a_damaged_table_is_made_again(access):
    first = refresh(access).files[0].index
    with open(f"{access.store.path}/tools/table-{first.sha256}", "wb") as file:
        file.write(b"rubbish")
    assert list(refresh(access).find("hello"))


def test_keys_by_fingerprint():
    certs = keys_of_bytes(public_key(), "x")
    assert with_fingerprint(certs, f"{FINGERPRINT[:20]} {FINGERPRINT[20:]}".upper(), "x") == certs
    with pytest.raises(SignatureError, match="holds no key"):
        with_fingerprint(certs, "0" * 40, "x")
    with pytest.raises(SignatureError, match="no OpenPGP keys"):
        keys_of_bytes(b"nonsense", "x")
    with pytest.raises(SignatureError, match="cannot be read"):
        keys_of_file("/no/such/file")


def test_the_shipped_keys_are_debians():
    assert len(shipped_keys()) == 9


def test_a_release_lists_its_files(access):
    found = release.fetch(access, SOURCE, now=NOW)
    assert found.file("main/binary-amd64/Packages") is not None
    assert found.file("main/binary-amd64/Package") is None
    assert found.file("binary-amd64/Packages") is None


@pytest.mark.parametrize("damage", [lambda data: data[:0], lambda data: data[:-1] + b"x"])
def test_an_index_that_was_altered_in_the_store(access, damage):
    suite = refresh(access)
    path = Path(suite.files[0].index.path)
    table = Path(access.store.path, "tools", f"table-{path.name}")
    table.unlink()
    good = path.read_bytes()
    path.chmod(0o600)
    path.write_bytes(damage(good))
    with pytest.raises(IntegrityError, match=path.name) as caught:
        refresh(access)
    assert "again" in caught.value.hint
    assert not table.exists()
    assert not path.exists()
    assert list(refresh(access).find("hello"))
    assert path.read_bytes() == good


def test_a_remembered_release_that_was_altered_is_fetched_again(access, server):
    server.validators = True
    refresh(access)
    for path in Path(access.store.path, "blobs").glob("*/*"):
        if b"SIGNED MESSAGE" in path.read_bytes():
            path.chmod(0o600)
            path.write_bytes(b"")
    assert refresh(access).release.fields["Date"] == DATE
    assert "If-None-Match" not in server.headers[-1]
