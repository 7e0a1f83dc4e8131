"""Bad input is told clearly, with its own exit code; nothing is half-made, and the store works afterwards."""

import os
import re
import shutil
import signal
import subprocess
import time

import pytest
from commandline import CommandLine

pytestmark = [pytest.mark.userns, pytest.mark.archive, pytest.mark.one_plain_user]


@pytest.fixture(autouse=True)
def store_stays_good(built):
    """Whatever happened, the store must be good afterwards."""
    yield
    built.succeed("run", "--", "hello")


def write(project, name, text):
    (project.directory / name).write_text(text)


@pytest.mark.one_kind
def test_no_spec_anywhere(project, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "init" in CommandLine(empty, project.store, project.home).fail(11, "build")


@pytest.mark.one_kind
@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("name = ", "envforge.toml:1:"),
        ("\xff", "envforge.toml"),
        ('name = "x"\n[debian]\nsiute = "bookworm"\n', "suite"),
        ('name = "x"\n[debian]\nsuite = "bookworm"\n[limits]\nmemory = "lots"\n', "limits.memory"),
        ("", "name"),
    ],
)
def test_a_bad_spec(project, text, told):
    (project.directory / "envforge.toml").write_bytes(text.encode("latin-1"))
    assert told in project.fail(11, "build")
    assert "SpecError" in project.fail(125, "run", "--", "true")


@pytest.mark.one_kind
def test_every_mistake_at_once(project):
    write(project, "envforge.toml", 'name = "UPPER"\nfoo = 1\n[debian]\nsuite = 3\npackages = ["a b"]\n')
    assert len(re.findall(r"envforge\.toml:\d+:\d+:", project.fail(11, "build"))) >= 4


@pytest.mark.one_kind
def test_an_unknown_package(project, spec):
    write(project, "envforge.toml", spec.replace('"hello"', '"helo"'))
    before = (project.directory / "envforge.lock").read_bytes()
    assert "hello" in project.fail(14, "build")
    assert (project.directory / "envforge.lock").read_bytes() == before


@pytest.mark.one_kind
def test_packages_that_do_not_go_together(project, spec):
    write(project, "envforge.toml", spec.replace('"hello"', '"hello=0.1"'))
    assert "hello" in project.fail(14, "lock")


@pytest.mark.one_kind
@pytest.mark.parametrize(
    "damage",
    [
        lambda text: f"<<<<<<< ours\n{text}=======\n{text}>>>>>>> theirs\n",
        lambda text: re.sub(r"^format = \d+", "format = 999", text, count=1, flags=re.MULTILINE),
        lambda text: text[: len(text) // 2],
        lambda _: "[[[",
        lambda _: "",
    ],
    ids=["merge markers", "newer", "cut off", "no TOML", "empty"],
)
def test_a_bad_lock_is_not_silently_replaced(project, damage):
    path = project.directory / "envforge.lock"
    path.write_text(damage(path.read_text()))
    before = path.read_bytes()
    project.fail(12, "build")
    project.fail(125, "run", "--", "true")
    assert path.read_bytes() == before


@pytest.mark.one_kind
def test_a_lock_that_is_missing(project):
    (project.directory / "envforge.lock").unlink()
    project.fail(13, "build", "--locked")
    project.fail(13, "lock", "--check")


def test_a_store_of_somebody_else(project, tmp_path):
    foreign = tmp_path / "foreign"
    foreign.mkdir(mode=0o700)
    if os.geteuid() == 0:
        os.chown(foreign, 12345, 12345)
    else:
        foreign = "/root"
    CommandLine(project.directory, foreign, project.home).fail(19, "build")


@pytest.mark.one_kind
def test_a_directory_that_is_no_store(project, tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    line = CommandLine(project.directory, tmp_path, project.home)
    line.fail(19, "build")
    line.fail(19, "store", "destroy", "--yes")
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


@pytest.mark.root
def test_a_read_only_store(project):
    script = 'mount --bind "$1" "$1" && mount -o remount,ro,bind "$1" && shift && exec "$@"'
    before = ["unshare", "-m", "sh", "-c", script, "sh", str(project.store)]
    line = CommandLine(project.directory, project.store, project.home, before=before)
    line.fail(19, "build", "--rebuild")


def test_no_network_and_nothing_in_the_store(project, tmp_path):
    before = ["unshare", "-n"] if os.geteuid() == 0 else ["unshare", "-rn"]
    alone = CommandLine(project.directory, tmp_path / "store", project.home, before=before)
    alone.fail(15, "build")
    (project.directory / "envforge.lock").unlink()
    alone.fail(15, "lock")
    assert not (project.directory / "envforge.lock").exists()


def test_no_network_matters_not_once_it_is_built(project):
    before = ["unshare", "-n"] if os.geteuid() == 0 else ["unshare", "-rn"]
    alone = CommandLine(project.directory, project.store, project.home, before=before)
    assert alone.succeed("run", "--", "hello", "-g", "hi") == "hi\n"


@pytest.mark.parametrize("name", ["with space", "ümläut ☃", "a:b", "a,b", "a\\b", "-dash", "'\"$x"])
def test_odd_project_paths(project, tmp_path, name):
    directory = tmp_path / "odd" / name
    shutil.copytree(project.directory, directory)
    line = CommandLine(directory, project.store, project.home)
    assert line.succeed("run", "--", "sh", "-c", "touch made; pwd") == f"{directory}\n"
    assert (directory / "made").exists()


def test_an_oddly_named_store_inside_its_project_is_covered(project):
    store = project.directory / "a b:c,d\\e ümläut ☃"
    line = CommandLine(project.directory, store, project.home)
    assert line.succeed("run", "--", "hello", "-g", "hi") == "hi\n"
    look = 'ls -A "$1"; touch "$1/x" 2>/dev/null || echo no'
    assert line.succeed("run", "--", "sh", "-c", look, "sh", store.name) == "no\n"
    code, shown = line.on_terminal("store", "destroy", typed="n\n")
    assert code == 0, shown
    assert line.succeed("run", "--", "hello", "-g", "hi") == "hi\n"
    line.succeed("store", "destroy", "--yes")
    assert not store.exists()
    assert (project.directory / "envforge.lock").exists()


def test_a_project_inside_its_store(project):
    directory = project.store / "staging" / "my-project"
    shutil.copytree(project.directory, directory)
    try:
        result = CommandLine(directory, project.store, project.home).run("run", "--", "hello", "-g", "hi")
        assert result.returncode in {0, 125}
        assert result.returncode == 0 or "error: " in result.stderr
        assert "Traceback" not in result.stderr
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def test_interrupted_builds_leave_a_good_store(project, tmp_path):
    line = CommandLine(project.directory, tmp_path / "store", project.home)
    for after_s, number in (
        (0.4, signal.SIGINT),
        (0.8, signal.SIGKILL),
        (1.5, signal.SIGINT),
        (2, signal.SIGKILL),
    ):
        process = subprocess.Popen(
            line.words("build"),
            cwd=line.directory,
            env=line.variables(),
            stderr=subprocess.PIPE,
            text=True,
            process_group=0,
        )
        time.sleep(after_s)
        os.killpg(process.pid, number)
        _, told = process.communicate(timeout=60)
        assert process.returncode in {130 if number == signal.SIGINT else -number, 0}, told
        assert "Traceback" not in told
    assert line.succeed("run", "--", "hello", "-g", "hi") == "hi\n"
    line.succeed("store", "destroy", "--yes")
    assert not line.store.exists()


@pytest.mark.one_kind
def test_ctrl_c_leaves_a_clean_terminal(project, tmp_path):
    line = CommandLine(project.directory, tmp_path / "store", project.home)
    code, shown = line.on_terminal("build", typed="\x03", after_s=1.5)
    assert code == 130, shown
    assert "Traceback" not in shown
    assert shown.endswith("\r\x1b[K")
    assert shown.count("\x1b[?25l") == shown.count("\x1b[?25h")
    line.succeed("store", "destroy", "--yes")


def test_no_terminal_at_all(project):
    result = subprocess.run(
        ["setsid", *project.words("run", "-it", "--", "hello")],
        cwd=project.directory,
        env=project.variables(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in result.stderr
    assert result.returncode in {0, 125}


@pytest.mark.one_kind
def test_files_of_options_that_are_not_there(project):
    assert "UsageError" in project.fail(125, "run", "--env-file", "none", "--", "true")
    assert "UsageError" in project.fail(125, "run", "-v", "./none:/x", "--", "true")


def test_a_spec_that_may_not_be_read(project):
    path = project.directory / "envforge.toml"
    path.chmod(0)
    if os.geteuid() == 0:
        path.unlink()
        path.symlink_to("nowhere")
    told = project.fail(11, "build")
    assert "envforge.toml" in told or "nowhere" in told
