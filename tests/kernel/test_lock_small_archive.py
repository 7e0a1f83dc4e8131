"""Locking against a small archive of our own, through the real apt in its tool tree: bytes and changes.

`pytest --update-golden` is not offered on purpose: a golden lock is changed by hand, knowing why.
"""

import shutil
from pathlib import Path

import pytest
import web
from attrs import evolve
from locks import closure_of, packages_of, request_of
from small_archive import Archive, public_key

from envforge.build.site import ProjectFiles
from envforge.config import Config
from envforge.errors import IntegrityError, NetworkError, ResolveError, SignatureError
from envforge.lock import file
from envforge.lock.changes import changes
from envforge.lock.model import DEFAULT
from envforge.lock.resolve import ResolveOptions, resolve
from envforge.sources.debian.indexes import mirrors
from envforge.sources.debian.model import Request, RequestedArchive
from envforge.store.layout import open_store

pytestmark = [
    pytest.mark.userns,
    pytest.mark.one_kind,
    pytest.mark.skipif(not shutil.which("apt-get"), reason="needs apt-get, of which the tool tree is made"),
]
GOLDEN = Path(__file__).parents[1] / "golden" / "locks"
REQUEST = Request("bookworm", (), ("main",), ("editor", "greeter=2.*"))
LATER = "Fri, 02 Jan 2026 00:00:00 UTC"


@pytest.fixture(scope="module")
def tools(tmp_path_factory):
    """An archive with nothing but tools, and a store that has fetched and unpacked them."""
    made = Archive(tmp_path_factory.mktemp("tools"))
    made.add_tools()
    return made


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return open_store(str(tmp_path_factory.mktemp("stores") / "store"))


@pytest.fixture
def archive(tmp_path, tools):
    made = Archive(tmp_path / "web")
    shutil.copytree(tools.path, made.path)
    made.stanzas = {"bookworm": list(tools.stanzas["bookworm"])}
    made.add("base", "1.0", essential="yes", priority="required", pre_depends="libbase (>= 1)")
    made.add("libbase", "1.2", multi_arch="foreign")
    made.add("editor", "3.0", depends="libedit (>= 2), default-pager | pager", recommends="spell")
    made.add("libedit", "2.0")
    made.add("libedit", "2.1")
    made.add("less", "5", provides="pager")
    made.add("most", "5", provides="pager", conflicts="less")
    made.add("spell", "1", provides="speller")
    made.add("greeter", "2.0")
    made.add("greeter", "3.0", depends="libbase (>= 2)")
    made.add("clash", "1", breaks="editor")
    made.publish()
    return made


@pytest.fixture
def server(archive):
    with web.serving(archive.path) as running:
        yield running


@pytest.fixture
def lock(store, server, tmp_path):
    key = tmp_path / "key.pgp"
    key.write_bytes(public_key())
    config = Config(mirrors={"debian": (server.url,)}, keys={"debian": str(key)}, snapshot="")

    def make(request=REQUEST, previous=None, *, upgrade=False, free=()):
        wanted = ResolveOptions(["amd64"], upgrade, frozenset(free))
        options = {"config": config, "project": ProjectFiles(str(tmp_path))}
        return resolve(store, {DEFAULT: {"debian": request}}, wanted, previous=previous, **options)

    return make


def versions(made):
    return {name: package.version for name, package in packages_of(made).items()}


def same_as_golden(made, name):
    expected = (GOLDEN / name).read_bytes()
    assert file.dumps(made).decode() == expected.decode()
    assert file.loads(expected, name) == made


def test_a_lock_is_the_same_byte_for_byte(lock):
    made = lock()
    same_as_golden(made, "small.lock")
    assert lock(previous=made) == made


def test_recommended_packages_come_where_asked_for(lock):
    assert "spell" not in versions(lock())
    same_as_golden(lock(evolve(REQUEST, recommends=True)), "recommends.lock")


def test_what_is_pinned_stays(lock, archive):
    before = lock()
    archive.add("libedit", "2.2")
    archive.add("editor", "3.1", depends="libedit (>= 2)")
    archive.publish(date=LATER)
    assert lock(previous=before) == before


def test_what_is_pinned_stays_though_the_archive_dropped_it(lock, archive):
    before = lock()
    archive.drop("libedit")
    archive.add("libedit", "2.2")
    archive.publish(date=LATER)
    assert lock(previous=before) == before
    more = lock(evolve(REQUEST, packages=(*REQUEST.packages, "spell")), before)
    assert [str(change) for change in changes(before, more)] == ["spell (none) -> 1"]
    same_as_golden(more, "dropped.lock")
    dropped = next(item for item in closure_of(more).archives if "@" in item.name)
    assert mirrors.urls(mirrors.Mirrors({}, "https://snapshot"), dropped, "pool/x")[-2:] == (
        "https://snapshot/debian/20260101T120000Z/pool/x",
        "https://snapshot/debian/20260101T000000Z/pool/x",
    )
    assert lock(request_of(more), more) == more
    upgraded = lock(request_of(more), more, upgrade=True)
    assert [item.name for item in closure_of(upgraded).archives] == ["bookworm"]


def test_upgrading_all(lock, archive):
    before = lock()
    archive.add("libedit", "2.2")
    archive.add("greeter", "2.5")
    archive.publish(date=LATER)
    after = lock(previous=before, upgrade=True)
    assert [str(change) for change in changes(before, after)] == ["greeter 2.0 -> 2.5", "libedit 2.1 -> 2.2"]


def test_upgrading_one_package(lock, archive):
    before = lock()
    archive.add("libedit", "2.2")
    archive.add("greeter", "2.5")
    archive.publish(date=LATER)
    after = lock(previous=before, free=["libedit"])
    assert [str(change) for change in changes(before, after)] == ["libedit 2.1 -> 2.2"]
    assert not packages_of(after)["libedit"].asked
    with pytest.raises(ResolveError, match="no package nothing"):
        lock(previous=before, free=["nothing"])


def test_adding_moves_only_what_must_move(lock, archive):
    before = lock()
    archive.add("libedit", "2.2")
    archive.add("libbase", "1.3", multi_arch="foreign")
    archive.add("viewer", "1", depends="libedit (>= 2.2)")
    archive.publish(date=LATER)
    after = lock(evolve(REQUEST, packages=(*REQUEST.packages, "viewer")), before)
    assert [str(change) for change in changes(before, after)] == ["libedit 2.1 -> 2.2", "viewer (none) -> 1"]


def test_removing_takes_along_what_nobody_needs(lock):
    before = lock()
    after = lock(evolve(REQUEST, packages=("greeter=2.*",)), before)
    assert {change.name for change in changes(before, after)} == {"editor", "libedit", "most"}


def test_another_version_is_asked_for(lock):
    before = lock()
    request = evolve(REQUEST, packages=("editor", "greeter=3.*"))
    with pytest.raises(ResolveError, match=r"libbase \(>= 2\)"):
        lock(request, before)
    older = lock(evolve(REQUEST, packages=("editor", "greeter", "libedit=2.0")), before)
    assert [str(change) for change in changes(before, older)] == ["libedit 2.1 -> 2.0"]


def test_virtual_packages(lock):
    before = lock(evolve(REQUEST, packages=("most", "pager")))
    asked = {name for name, package in packages_of(before).items() if package.asked}
    assert asked == {"most"}
    assert lock(request_of(before), before) == before
    assert "most" in versions(lock(evolve(REQUEST, packages=("pager",)), before))
    with pytest.raises(ResolveError, match="several provide: less, most"):
        lock(evolve(REQUEST, packages=("pager",)))
    assert "spell" in versions(lock(evolve(REQUEST, packages=("speller",))))


def test_other_settings_keep_versions(lock, archive):
    before = lock()
    archive.add("libedit", "2.2")
    archive.publish(date=LATER)
    after = lock(evolve(REQUEST, recommends=True), before)
    assert [str(change) for change in changes(before, after)] == ["spell (none) -> 1"]


def test_unknown_packages(lock):
    with pytest.raises(ResolveError, match="no package is called editr; do you mean editor") as caught:
        lock(evolve(REQUEST, packages=("editr", "nonesuch")))
    assert "nonesuch" in caught.value.message


def test_packages_that_cannot_be_together(lock):
    with pytest.raises(ResolveError, match="clash: Breaks: editor"):
        lock(evolve(REQUEST, packages=("clash", "editor")))


def test_a_version_that_is_not_there(lock):
    with pytest.raises(ResolveError, match=r"no greeter \S+; versions there are: \d"):
        lock(evolve(REQUEST, packages=("greeter=9*",)))


def test_an_older_index_than_the_lock_saw(lock, archive):
    archive.publish(date=LATER)
    before = lock()
    archive.publish()
    with pytest.raises(SignatureError, match="the lock saw"):
        lock(previous=before)


def test_a_newer_index_with_the_same_content_changes_nothing(lock, archive):
    before = lock()
    archive.publish(date=LATER)
    assert lock(previous=before) == before


def test_pockets_and_their_priorities(lock, archive):
    archive.add("libedit", "2.3", suite="bookworm-updates")
    archive.add("libedit", "9", suite="bookworm-backports")
    archive.add("fancy", "1", suite="bookworm-backports")
    archive.publish("bookworm-updates")
    archive.publish("bookworm-backports", NotAutomatic="yes", ButAutomaticUpgrades="yes")
    request = evolve(REQUEST, pockets=("backports", "updates"), packages=("editor", "fancy"))
    made = lock(request)
    assert versions(made)["libedit"] == "2.3"
    assert versions(made)["fancy"] == "1"
    same_as_golden(made, "pockets.lock")


def test_a_package_that_moves_to_another_suite(lock, archive):
    archive.add("libedit", "2.3", suite="bookworm-updates")
    archive.publish("bookworm-updates")
    request = evolve(REQUEST, pockets=("updates",))
    before = lock(request)
    archive.drop("libedit", suite="bookworm-updates")
    archive.add("libedit", "2.3")
    archive.publish("bookworm-updates", date=LATER)
    archive.publish(date=LATER)
    after = lock(request, before)
    moved = packages_of(after)["libedit"]
    assert (moved.version, moved.archive) == ("2.3", "bookworm")
    assert changes(before, after) == ()


def test_a_further_archive_with_its_key(lock, archive, server, tmp_path):
    other = Archive(tmp_path / "web" / "other")
    other.add("extra", "1", depends="libbase", suite="stable")
    other.publish("stable")
    (tmp_path / "keys.asc").write_bytes(public_key())
    further = RequestedArchive("other/stable", "stable", ("main",), f"{server.url}/other", "keys.asc")
    made = lock(evolve(REQUEST, packages=("extra",), archives=(further,)))
    extra = packages_of(made)["extra"]
    assert (extra.archive, extra.asked) == ("other/stable", True)
    assert [item.uri for item in closure_of(made).archives] == ["", f"{server.url}/other"]
    by_fingerprint = f"{closure_of(made).archives[1].fingerprint} {server.url}/key"
    (archive.path / "key").write_bytes(public_key())
    assert lock(evolve(request_of(made), archives=(evolve(further, key=by_fingerprint),)), made)
    with pytest.raises(SignatureError, match="trusts"):
        lock(evolve(request_of(made), archives=(evolve(further, key=""),)))


def test_a_file_may_have_any_name(lock, archive):
    """Debian's own say name, version and architecture; further archives call theirs as they like."""
    path = archive.path / archive.add("odd", "1", listed={"Filename": "./pool/Odd setup+1.deb"})
    path.rename(archive.path / "pool/Odd setup+1.deb")
    archive.publish()
    with pytest.raises(IntegrityError, match="path in an archive"):
        lock(evolve(REQUEST, packages=("odd",)))
    archive.drop("odd")
    archive.add("odd", "1", listed={"Filename": "./pool/Odd+1.deb"})
    archive.publish()
    made = lock(evolve(REQUEST, packages=("odd",)))
    assert [item.path for item in closure_of(made).packages if item.name == "odd"] == ["pool/Odd+1.deb"]


def test_a_mirror_without_the_tools(lock, archive):
    archive.drop("gpgv")
    archive.publish()
    with pytest.raises(ResolveError, match="does not have gpgv"):
        lock()


def test_no_network(store):
    config = Config(mirrors={"debian": ("http://127.0.0.1:9/debian",)}, snapshot="")
    with pytest.raises(NetworkError):
        resolve(store, {DEFAULT: {"debian": REQUEST}}, ResolveOptions(["amd64"]), config=config)
