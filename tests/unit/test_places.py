"""Where state is kept by users whose home is of no use."""

import os
import stat

import pytest

from envforge import config, places
from envforge.errors import StoreError
from envforge.sandbox import cache


@pytest.fixture(params=["missing", "a file"])
def no_home(request, tmp_path, monkeypatch, empty_home):
    del empty_home
    home = tmp_path / "no-home"
    if request.param == "a file":
        home.write_text("")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("TMPDIR", str(tmp_path))


def test_the_usual_place_is_kept_while_it_can_be_made(empty_home, monkeypatch):
    assert config.state_directory() == f"{empty_home}/.local/state/envforge"
    monkeypatch.setenv("XDG_STATE_HOME", f"{empty_home}/a/b")
    assert config.state_directory() == f"{empty_home}/a/b/envforge"
    assert cache.directory() == f"{empty_home}/a/b/envforge/plans"


@pytest.mark.usefixtures("no_home")
def test_without_a_home_state_is_below_the_runtime_directory(tmp_path, monkeypatch):
    runtime = tmp_path / "runtime"
    runtime.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    assert config.state_directory() == f"{runtime}/envforge"
    assert cache.directory() == f"{runtime}/envforge/plans"
    runtime.chmod(0o755)
    assert config.state_directory() == f"{tmp_path}/envforge-{os.geteuid()}"


@pytest.mark.usefixtures("no_home")
def test_else_in_a_directory_of_its_own_for_temporary_files(tmp_path):
    path = config.state_directory()
    assert path == f"{tmp_path}/envforge-{os.geteuid()}"
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o700
    cache.store_plan("k", {"a": 1}, ())
    assert cache.load_plan("k") == {"a": 1}
    assert os.path.isdir(f"{path}/plans")


@pytest.mark.usefixtures("no_home")
@pytest.mark.parametrize("what", ["open to others", "a link", "a file"])
def test_a_place_that_somebody_else_may_have_made_is_refused(tmp_path, what):
    path = tmp_path / f"envforge-{os.geteuid()}"
    if what == "open to others":
        path.mkdir()
        path.chmod(0o755)
    elif what == "a link":
        (tmp_path / "elsewhere").mkdir(mode=0o700)
        path.symlink_to("elsewhere")
    else:
        path.write_text("")
    with pytest.raises(StoreError) as error:
        places.state_directory()
    assert "XDG_STATE_HOME" in error.value.hint
