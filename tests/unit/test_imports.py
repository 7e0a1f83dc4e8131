"""What importing costs: the command line and the warm path load only what they need."""

import subprocess
import sys

import pytest

_HEAVY = ("textual", "pyroute2", "http.client", "urllib.request", "httpx", "requests", "urllib3", "asyncio")
_NEVER_WARM = ("attrs", "attr", "cattrs", "tomllib", "click", "textual", "pyroute2", "re", "pathlib")

# What commands that only look at containers do without: attrs alone costs as much as starting Python.
_NEVER_FOR_CONTAINERS = (
    "attrs",
    "attr",
    "cattrs",
    "tomllib",
    "json",
    "traceback",
    "envforge.sandbox.perform",
)

# What shows how a project is needs nothing that writes, resolves, captures or reads listings, and no attrs.
_NEVER_TO_SHOW = (
    "attr",
    "hashlib",
    "shlex",
    "subprocess",
    "envforge.store.blobs",
    "envforge.store.listing",
    "envforge.store.staging",
)
# Of two environments' packages neither listings are read nor anything that writes.
_NEVER_TO_COMPARE = ("attr", "shlex", "subprocess", "envforge.store.listing", "envforge.store.staging")


def _loaded(statement: str) -> set[str]:
    """Return the names of the modules in a fresh interpreter, without what a venv's .pth files load."""
    code = f"import sys\nsys.path[:] = {sys.path!r}\n{statement}\nprint(*sys.modules)"
    command = [sys.executable, "-I", "-S", "-c", code]
    return set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())


@pytest.mark.parametrize("heavy", _HEAVY)
def test_command_line_loads_nothing_heavy(heavy):
    assert heavy not in _loaded("import envforge.cli")


@pytest.mark.parametrize("module", _NEVER_WARM)
def test_warm_module_loads_next_to_nothing(module):
    assert module not in _loaded("import envforge.hot")


@pytest.mark.parametrize("words", [["ps", "-a"], ["logs", "web"], ["stop", "web"], ["rm", "web"]])
def test_commands_for_containers_load_little(words, tmp_path):
    argv = ["--store", str(tmp_path), *words]
    loaded = _loaded(f"from envforge.cli import main; main({argv!r})")
    assert "envforge.containers.records" in loaded
    assert not loaded.intersection(_NEVER_FOR_CONTAINERS)


def test_showing_a_project_loads_nothing_that_changes_one(tmp_path):
    spec = tmp_path / "envforge.toml"
    spec.write_text('name = "shop"\n[debian]\nsuite = "bookworm"\n')
    argv = ["--store", str(tmp_path / "store"), "--file", str(spec), "show"]
    loaded = _loaded(f"from envforge.cli import main; main({argv!r})")
    assert "envforge.sources.registry" in loaded
    assert not loaded.intersection(_NEVER_TO_SHOW)


def test_comparing_packages_loads_no_listing_and_nothing_that_writes():
    modules = ("api.comparing", "cli.commands.comparing.diff", "compare.differences", "compare.words")
    views = ("compare.views.text", "compare.views.plain")
    loaded = _loaded("; ".join(f"import envforge.{name}" for name in (*modules, *views)))
    assert "envforge.sources.registry" in loaded
    assert not loaded.intersection(_NEVER_TO_COMPARE)
