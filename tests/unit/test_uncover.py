"""Nothing that only stood in while packages were configured stays in a layer."""

import stat

import pytest

from envforge.errors import BuildError
from envforge.sources.debian.configure.cleaning.uncover import uncover


@pytest.fixture
def trees(tmp_path):
    for name in ("upper", "scaffold", "farm"):
        (tmp_path / name / "usr/bin").mkdir(parents=True)
    (tmp_path / "scaffold/usr/bin/mandb").write_text("exit 0")
    (tmp_path / "farm/usr/bin/mandb").write_text("the real one")
    return tmp_path


def run(trees):
    uncover(str(trees / "upper"), str(trees / "scaffold"), [str(trees / "farm")])


def test_an_untouched_stand_in_leaves_nothing(trees):
    run(trees)
    assert list((trees / "upper/usr/bin").iterdir()) == []


def test_the_real_file_gets_the_new_mode(trees):
    (trees / "upper/usr/bin/mandb").write_text("exit 0")
    (trees / "upper/usr/bin/mandb").chmod(0o4755)
    run(trees)
    assert (trees / "upper/usr/bin/mandb").read_text() == "the real one"
    assert stat.S_IMODE((trees / "upper/usr/bin/mandb").stat().st_mode) == 0o4755
    assert (trees / "upper/usr/bin/mandb").stat().st_mtime_ns == (
        trees / "farm/usr/bin/mandb"
    ).stat().st_mtime_ns


def test_a_program_that_never_existed_goes(trees):
    for name in ("upper", "scaffold"):
        (trees / name / "usr/bin/policy").write_text("exit 101")
    run(trees)
    assert not (trees / "upper/usr/bin/policy").exists()


def test_other_files_and_the_database_stay(trees):
    (trees / "upper/usr/bin/other").write_text("x")
    for name in ("upper", "scaffold"):
        (trees / name / "var/lib/dpkg").mkdir(parents=True)
        (trees / name / "var/lib/dpkg/status").write_text(name)
    run(trees)
    assert (trees / "upper/usr/bin/other").read_text() == "x"
    assert (trees / "upper/var/lib/dpkg/status").read_text() == "upper"


def test_a_removed_program_stays_removed(trees):
    (trees / "upper/usr/bin/mandb").symlink_to("elsewhere")
    run(trees)
    assert (trees / "upper/usr/bin/mandb").is_symlink()


def test_a_changed_stand_in_is_an_error(trees):
    (trees / "upper/usr/bin/mandb").write_text("exit 1")
    with pytest.raises(BuildError, match="/usr/bin/mandb"):
        run(trees)
