"""What `init` proposes is there: every package of its tables, in every suite that it proposes."""

import pytest

from envforge.config import Config
from envforge.sources.debian.indexes import index, signature
from envforge.sources.debian.indexes.mirrors import discover, open_fetcher
from envforge.sources.debian.indexes.release import Access, Source
from envforge.spec.detect import builds
from envforge.spec.detect.proposal import propose
from envforge.spec.detect.pypi_names import DEBIAN_NAMES
from envforge.spec.detect.releases import LANGUAGES
from envforge.spec.parse import parse
from envforge.store.layout import open_store

pytestmark = pytest.mark.archive

EVERYTHING = {
    "package.json": "{}",
    "yarn.lock": "",
    "app.py": "",
    "go.mod": "",
    "Cargo.toml": "",
    "Gemfile": "",
    "composer.json": "{}",
    "pom.xml": "",
    "hello.c": "",
    "hello.f90": "",
    "paper.tex": "",
    "x.proto": "",
    "x.ipynb": "",
    ".git": "",
    **{names[0]: "" for names, _ in builds.BUILD_FILES},
    "compose.yaml": "\n".join(f"  image: {image}" for image in builds.SERVICES),
}
BINARIES = {"node": "nodejs", "python": "python3", "go": "golang-go", "rust": "rustc", "php": "php-cli"}
"""The package whose version is the language's."""


@pytest.fixture(scope="module", params=LANGUAGES)
def suite(request, tmp_path_factory):
    """The suite's own index."""
    store = open_store(str(tmp_path_factory.mktemp("stores") / "store"))
    with open_fetcher(Config()) as fetcher:
        access = Access(store, fetcher, discover(Config()))
        source = Source(request.param, request.param, ("main",), certs=signature.shipped_keys())
        (found,) = index.refresh(access, [source], architecture="amd64")
    return found


def proposed(directory) -> set[str]:
    for name, text in EVERYTHING.items():
        (directory / name).write_text(text)
    return set(parse(propose(str(directory)).encode(), "f").debian.packages)


def test_every_proposed_package_is_there(suite, tmp_path):
    names = proposed(tmp_path) | {"npm"} | set(DEBIAN_NAMES.values())
    assert len(names) > 150
    assert [name for name in sorted(names) if not any(suite.find(name))] == []


@pytest.mark.parametrize("language", BINARIES)
def test_the_releases_of_languages_are_true(suite, language):
    (package,) = suite.find(BINARIES[language])
    major_minor = ".".join(map(str, LANGUAGES[suite.source.suite][language][:2]))
    assert package.version.partition(":")[2].startswith(major_minor) or package.version.startswith(
        major_minor
    )
