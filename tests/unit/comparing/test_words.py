"""What a word names, in a store with projects of several kinds."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from envforge.compare import targets, words
from envforge.compare.targets import Here
from envforge.environment.made import model
from envforge.environment.made.model import Environment, LayerReference
from envforge.environment.projects import generations
from envforge.errors import AmbiguousError, LockError, NotFoundError
from envforge.store.layout import open_store

GOLDEN = Path(__file__).parents[2] / "golden" / "locks" / "small.lock"


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A project `shop` with three generations and an environment `test`, and two others called `twin`."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    store = open_store(str(tmp_path / "store"))

    def note(spec, name, number, variant="default"):
        made = Environment((LayerReference("farm", "a" * 64, f"{number:064x}"),), {"runtime": 1}, "c" * 64)
        model.save(store, made)
        Path(spec).parent.mkdir(exist_ok=True)
        Path(spec).touch()
        generations.note(store, spec, name, made.digest, spec=b"", lock=GOLDEN.read_bytes(), variant=variant)
        return made.digest

    spec = str(tmp_path / "shop" / "envforge.toml")
    digests = [note(spec, "shop", number) for number in (1, 2, 3)]
    digests.append(note(spec, "shop", 4, "test"))
    for number, directory in enumerate(("one", "two"), 5):
        note(str(tmp_path / directory / "envforge.toml"), "twin", number)
    here = Here(store, os.path.realpath(spec), "default", str(tmp_path / "shop"))
    return here, digests


def named(place, word):
    here = place if isinstance(place, Here) else place[0]
    return words.resolve(here, word).environment


@pytest.mark.parametrize(
    ("word", "number"),
    [("@", 2), ("3", 2), ("@3", 2), ("1", 0), ("@1", 0), ("@-1", 1), ("@-2", 0), ("test", 3), ("shop", 2)],
)
def test_generations_and_environments_of_this_project(place, word, number):
    assert named(place, word) == place[1][number]


def test_the_label_of_another_environment_and_digests(place):
    here, digests = place
    assert named(place, "shop:test") == digests[3]
    assert named(place, "shop@2") == named(Here(here.store), "shop@2") == digests[1]
    assert named(place, f"sha256:{digests[1]}") == digests[1]
    assert named(place, digests[1][:8]) == digests[1]
    assert words.resolve(here, digests[1]).generation.number == 2


def test_paths_name_projects_specs_locks_and_directories(place, tmp_path):
    here, digests = place
    assert named(place, ".") == digests[2]
    assert named(place, "./envforge.toml") == digests[2]
    assert named(place, str(tmp_path / "shop")) == digests[2]
    (tmp_path / "plain").mkdir()
    assert words.resolve(here, "../plain").directory == os.path.realpath(tmp_path / "plain")
    (tmp_path / "shop" / "other.lock").write_bytes(GOLDEN.read_bytes())
    assert words.resolve(here, "other.lock").lock() is not None


@pytest.mark.parametrize(
    "word",
    [
        "@9",
        "9",
        "shop@9",
        "@-7",
        "nothing",
        "sha256:ffffffff",
        "ffffffffff",
        "./missing",
        "/missing",
        "\x1b[31m",
    ],
)
def test_what_names_nothing_is_not_found(place, word):
    with pytest.raises(NotFoundError) as failure:
        words.resolve(place[0], word)
    assert failure.value.hint
    assert failure.value.message.isprintable()


def test_what_means_several_things_lists_them(place, tmp_path):
    with pytest.raises(AmbiguousError) as failure:
        words.resolve(place[0], "twin")
    assert failure.value.exit_code == 29
    assert str(tmp_path / "one" / "envforge.toml") in failure.value.message
    assert str(tmp_path / "two" / "envforge.toml") in failure.value.message


def test_an_ambiguous_prefix_lists_the_digests(place):
    here, _ = place
    for tail in "ab":
        digest = f"abcdef{tail}".ljust(64, "0")
        Path(here.store.environment(digest)).touch()
    with pytest.raises(AmbiguousError) as failure:
        words.resolve(here, "abcdef")
    assert failure.value.message.count("\n  abcdef") == 2


def test_outside_of_a_project_only_what_needs_none_is_known(place, tmp_path):
    outside = Here(place[0].store, directory=str(tmp_path))
    assert words.resolve(outside, "shop").environment == place[1][2]
    for word in ("@", "3", "@-1"):
        with pytest.raises(NotFoundError):
            words.resolve(outside, word)


def test_without_a_store_locks_and_directories_are_known(tmp_path):
    (tmp_path / "some.lock").write_bytes(GOLDEN.read_bytes())
    here = Here(None, directory=str(tmp_path))
    assert words.resolve(here, "some.lock").lock() is not None
    with pytest.raises(NotFoundError):
        words.resolve(here, "shop")


def test_words_for_completion_are_all_known(place):
    here, _ = place
    found = [word for word, _ in words.words(here)]
    assert found[:3] == ["@3", "@2", "@1"]
    for word in set(found) - {"twin"}:
        words.resolve(here, word)


@pytest.fixture
def repository(place, tmp_path, monkeypatch):  # noqa: ARG001 (it makes the directory)
    if not shutil.which("git"):
        pytest.skip("needs git")
    monkeypatch.setenv("HOME", str(tmp_path))
    directory = tmp_path / "shop"

    def git(*arguments):
        identity = ["-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", *identity, *arguments], cwd=directory, check=True, capture_output=True)

    git("init", "-b", "main")
    (directory / "envforge.lock").write_bytes(GOLDEN.read_bytes())
    git("add", "envforge.lock")
    git("commit", "-m", "first")
    (directory / "envforge.lock").unlink()
    git("commit", "-am", "gone")
    return git


@pytest.mark.usefixtures("repository")
def test_a_revision_names_the_lock_that_it_has(place):
    here, _ = place
    for word in ("HEAD~1", "main~1", "HEAD~1:envforge.lock", "HEAD^"):
        target = words.resolve(here, word)
        assert target.lock() is not None
        assert word in target.title
    with pytest.raises(LockError):
        words.resolve(here, "HEAD")
    with pytest.raises(NotFoundError):
        words.resolve(here, "HEAD~9")


def test_the_configuration_of_a_repository_runs_nothing(place, repository, tmp_path):
    """Code in a sandbox can write the project's `.git`: none of it may run outside."""
    here, _ = place
    canary = tmp_path / "ran"
    evil = tmp_path / "shop" / "evil"
    evil.write_text(f"#!/bin/sh\ntouch {canary}\n")
    evil.chmod(0o755)
    for name in ("core.fsmonitor", "core.pager", "core.sshCommand", "core.askPass", "diff.external",
                 "core.editor", "gpg.program", "core.alternateRefsCommand", "credential.helper",
                 "filter.x.smudge", "filter.x.clean", "diff.x.textconv", "pager.cat-file",
                 "alias.cat-file", "alias.rev-parse"):  # fmt: skip
        repository("config", name, f"!{evil}" if name.startswith(("alias", "cred")) else str(evil))
    for name, value in (("remote.origin.url", "ssh://x.invalid/y"), ("remote.origin.promisor", "true"),
                        ("extensions.partialClone", "origin"),
                        ("core.repositoryFormatVersion", "1")):  # fmt: skip
        repository("config", name, value)
    (tmp_path / "shop" / ".gitattributes").write_text("* filter=x diff=x\n")
    hooks = tmp_path / "shop" / ".git" / "hooks"
    for hook in ("post-index-change", "reference-transaction", "post-checkout", "fsmonitor-watchman"):
        shutil.copy(evil, hooks / hook)
    assert words.resolve(here, "HEAD~1").lock() is not None
    for path in (tmp_path / "shop" / ".git" / "objects").glob("??/*"):
        path.unlink()  # what is missing must not be fetched
    with pytest.raises(NotFoundError):
        words.resolve(here, "HEAD~1")
    assert not canary.exists()


@pytest.mark.usefixtures("repository")
def test_words_that_look_like_options_never_reach_git(place):
    for word in ("--help", "-x", "--upload-pack=x", "HEAD --help"):
        with pytest.raises(NotFoundError):
            words.resolve(place[0], word)


def test_generations_back_to_the_first(place):
    here, digests = place
    assert targets.before(here).environment == digests[1]
    assert targets.counted_back(here, 2).environment == digests[0]
    with pytest.raises(NotFoundError):
        targets.counted_back(here, 3)
