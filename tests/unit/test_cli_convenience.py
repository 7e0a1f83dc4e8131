"""What makes typing and reading easier: completion of names, tables that fit, packages that were meant."""

import pytest
from click.shell_completion import ShellComplete

from envforge.cli.output import fitted
from envforge.cli.root import root
from envforge.sources.debian.resolve.meant import component_of, meant
from envforge.spec.grammar import SUITE


def completed(*words, begun=""):
    complete = ShellComplete(root, {}, "envforge", "_ENVFORGE_COMPLETE")
    return [item.value for item in complete.get_completions(list(words), begun)]


@pytest.fixture
def project(tmp_path, empty_home, monkeypatch):
    del empty_home
    spec = 'name = "x"\n[debian]\nsuite = "bookworm"\npackages = ["git", "gcc=12.*", "jq"]\n'
    (tmp_path / "envforge.toml").write_text(spec)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("project")
def test_packages_are_completed_for_remove():
    assert completed("remove", begun="g") == ["git", "gcc"]


def test_nothing_is_completed_without_a_project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert completed("remove") == []


@pytest.mark.usefixtures("project")
def test_users_are_completed_before_there_is_an_environment():
    assert completed("run", "-u") == ["self"]


def test_lines_are_cut_to_the_width_of_a_terminal():
    lines = [
        ("NAME", "ENVIRONMENT", "SIZE", "PROJECT"),
        ("x" * 40, "0123456789ab", "1.0 GB", "/home/somebody/a/very/long/path/to/shop"),
        ("y", "0123456789ab", "1.0 GB", "/y"),
    ]
    short = fitted(lines, 60)
    widths = [max(map(len, column)) for column in zip(*short, strict=True)]
    assert sum(widths) + 2 * 3 <= 60
    assert short[1][0].endswith("…")
    assert short[1][-1].startswith("…")
    assert short[1][-1].endswith("/to/shop")
    assert short[2] == lines[2]
    assert fitted(lines, 200) == lines


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("rg", "ripgrep"),
        ("nodejs-dev", "libnode-dev"),
        ("openssl-devel", "libssl-dev"),
        ("ssl-dev", "libssl-dev"),
        ("python-yaml", "python3-yaml"),
        ("fd", ""),
        ("nonsense", ""),
    ],
)
def test_the_package_that_is_meant(name, expected):
    assert meant(name, {"ripgrep", "libnode-dev", "libssl-dev", "python3-yaml"}) == expected


def test_packages_that_another_component_has():
    assert component_of("nvidia-driver", {"main"}) == "non-free"
    assert component_of("nvidia-driver", {"main", "non-free"}) == ""
    assert component_of("hello", {"main"}) == ""


@pytest.mark.parametrize(
    ("suite", "advice"), [("12", "bookworm"), ("13.1", "trixie"), ("noble", "Ubuntu"), ("jammy", "bookworm")]
)
def test_suites_by_number_or_of_another_distribution(suite, advice):
    assert advice in SUITE.problem(suite)
