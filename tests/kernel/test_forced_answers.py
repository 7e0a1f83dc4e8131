"""What is answered without apt is what apt answers: random archives of our own, and the host's mirror's."""

import random
import shutil

import pytest
import web
from small_archive import Archive, public_key

from envforge.config import Config
from envforge.errors import ResolveError
from envforge.sources.debian.indexes import index, mirrors
from envforge.sources.debian.indexes.release import Access, Source
from envforge.sources.debian.indexes.signature import keys_of_bytes, shipped_keys
from envforge.sources.debian.resolve import forced, resolver, tooltree, workspace
from envforge.sources.debian.resolve.resolver import Installed, Wish
from envforge.store.layout import open_store

pytestmark = [
    pytest.mark.userns,
    pytest.mark.one_kind,
    pytest.mark.skipif(not shutil.which("apt-get"), reason="needs apt-get, of which the tool tree is made"),
]
NAMES = [f"package{letter}" for letter in "abcdefghijklmnopqrst"]
VIRTUAL = ["mailer", "pager", "awk"]
VERSIONS = ["1.0", "1.0-1", "1.1~rc1", "1.1", "1:0.9"]
REFERENCE = ("python3", "git", "curl", "nodejs", "build-essential", "ca-certificates")


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return open_store(str(tmp_path_factory.mktemp("stores") / "store"))


def opened(store, config, suites, certs):
    access = Access(store, mirrors.open_fetcher(config), mirrors.discover(config))
    sources = [Source(name=suite, suite=suite, components=("main",), certs=certs) for suite in suites]
    found = index.refresh(access, sources, architecture="amd64")
    return workspace.ensure(store, tooltree.ensure(access, found), found, "amd64")


def relation(chance, names):
    groups = []
    for _ in range(chance.choice((0, 0, 1, 1, 2))):
        one = []
        for name in chance.sample([*names, *VIRTUAL], chance.choice((1, 1, 1, 2))):
            version = f" ({chance.choice(('>=', '<<', '='))} {chance.choice(VERSIONS)})"
            one.append(name + (version if chance.random() < 0.3 else ""))
        groups.append(" | ".join(one))
    return ", ".join(groups)


def fill(archive, chance):
    """Add packages that depend on one another at random, most of them on few."""
    for name in NAMES:
        for version in chance.sample(VERSIONS, chance.choice((1, 1, 2))):
            fields = {"depends": relation(chance, NAMES)}
            if chance.random() < 0.15:
                fields["pre_depends"] = relation(chance, NAMES[:4])
            if chance.random() < 0.25:
                virtual = chance.choice(VIRTUAL)
                fields["provides"] = virtual + chance.choice(("", f" (= {chance.choice(VERSIONS)})"))
                fields["conflicts"] = chance.choice((virtual, "", ""))
            if chance.random() < 0.1:
                fields["breaks"] = f"{chance.choice(NAMES)} (<< {chance.choice(VERSIONS)})"
            if chance.random() < 0.1:
                fields["multi_arch"] = "allowed"
            archive.add(name, version, **{key: value for key, value in fields.items() if value})


def installed(package, *, auto):
    return Installed(
        package.name,
        package.version,
        package.architecture,
        package.essential,
        package.priority,
        package.multi_arch,
        tuple(sorted(package.relations.items())),
        auto,
    )


def same(forced_answer, asked, known):
    """Insist that apt's answer is the one that was had without it, but for what is installed already."""
    there = {package.sha256 for package in known.values()}
    assert {(one.suite.source.name, one.package.path) for one in forced_answer.chosen} == {
        (one.suite.source.name, one.package.path) for one in asked.chosen if one.package.sha256 not in there
    }
    assert not asked.removed


def begun(space, first):
    """Compare answers to packages over nothing; return if apt was spared, and what it chooses, by name."""
    forced_answer = forced.answer(space.suites, space.architecture, Wish(first), {})
    try:
        asked = resolver.resolve(space, Wish(first))
    except ResolveError:
        assert forced_answer is None
        return False, {}
    if forced_answer is not None:
        same(forced_answer, asked, {})
    return forced_answer is not None, {one.package.name: one.package for one in asked.chosen}


def added(space, first, known, more):
    """Compare answers to some more packages, where those of `first` are there; say whether apt was spared."""
    there = tuple(installed(package, auto=name not in first) for name, package in known.items())
    words = [f"{name}={known[name].version}" for name in first]
    words += [f"{name}={known[name].version}" if name in known else name for name in more]
    wish = Wish(tuple(dict.fromkeys(words)), installed=there)
    forced_answer = forced.answer(space.suites, space.architecture, wish, known)
    if forced_answer is None:
        return False
    same(forced_answer, resolver.resolve(space, wish), known)
    return True


def test_random_archives(store, tmp_path):
    spared = []
    for seed in range(8):
        chance = random.Random(seed)
        archive = Archive(tmp_path / f"web{seed}")
        archive.add_tools()
        fill(archive, chance)
        archive.publish()
        key = tmp_path / "key.pgp"
        key.write_bytes(public_key())
        with web.serving(archive.path) as server:
            config = Config(mirrors={"debian": (server.url,)}, snapshot="")
            space = opened(store, config, ["bookworm"], keys_of_bytes(public_key(), "the tests"))
        for _ in range(6):
            first, more = tuple(sorted(chance.sample(NAMES, 2))), chance.sample(NAMES, 1)
            by_itself, known = begun(space, first)
            spared += [by_itself, bool(known) and added(space, first, known, more)]
    assert 10 < sum(spared) < len(spared) - 10


@pytest.mark.archive
def test_the_hosts_mirror(store):
    """The reference set by itself is answered without apt, and so are most packages added to it."""
    suites = ["bookworm", "bookworm-security", "bookworm-updates"]
    space = opened(store, Config(), suites, shipped_keys())
    base = (*resolver.base_names(space.suites), *REFERENCE)
    names = sorted(name for name in space.suites[0].files[0].index.names() if "-" not in name)
    chance = random.Random(1)
    by_itself, there = begun(space, base)
    assert by_itself
    assert added(space, base, there, ["jq"])
    several = [chance.choice(names) for _ in range(6)]
    known = [name for name in several if any(True for _ in space.suites[0].find(name))]
    spared = [added(space, base, there, [name]) for name in known]
    assert sum(spared) * 2 > len(spared)
