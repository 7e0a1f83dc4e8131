"""Debian 12's own kernel, older than that of most test machines: what breaks there breaks for users."""

import json
import re
import shlex

import pytest
from commandline import CommandLine
from harness import FILES, Machine, kept_machine, run_in_vm
from payload import INSTALL, TESTS, USERS, make_payload

pytestmark = pytest.mark.vm

# Long loops, which show what they show on any kernel, and what needs an apt, which the guest has not.
_DESELECTED = (
    "-k 'not many_at_once and not many_owned_files and not signals_never_make'"
    " --ignore=tests/kernel/test_lock_small_archive.py"
)
_SPEC = """
name = "guest"

[debian]
suite = "bookworm"
packages = ["hello"]
pockets = []
"""


@pytest.fixture(scope="module")
def machine(pytestconfig) -> Machine:
    return kept_machine(pytestconfig.cache)


@pytest.fixture(scope="module")
def payload(tmp_path_factory) -> dict[str, str]:
    return make_payload(str(tmp_path_factory.mktemp("payload")))


def test_guest_runs_the_older_kernel(machine):
    code, output = run_in_vm(machine, "uname -r; exit 7", {})
    assert output.splitlines()[-1] == machine.release
    assert code == 7


def run_tests(machine: Machine, files: dict[str, str], runs: dict[str, tuple[str, str]]) -> None:
    """Run tests in the guest side by side: for each user the markers and the paths to be collected."""
    checks = "\n".join(
        f"check {user} {shlex.quote(markers)} {paths} &" for user, (markers, paths) in runs.items()
    )
    script = f"""
{INSTALL} true || exit 3
{USERS}
export NO_COLOR=1
check() {{  # check USER MARKERS TESTS...
  user=$1 markers=$2; shift 2
  home=$(getent passwd $user | cut -d: -f6)
  timeout 1500 runuser -u $user -- env HOME=$home python3 -m pytest -v --durations=8 -p no:cacheprovider \\
    -m "userns and not archive and not vm and $markers" {_DESELECTED} "$@" >/tmp/$user 2>&1
  echo $? >/tmp/$user.code
}}
{checks}
wait
for user in {" ".join(runs)}; do echo "== as $user"; cat /tmp/$user; done
test "$(cat /tmp/*.code | tr -d '\\n')" = {"0" * len(runs)}
"""
    code, output = run_in_vm(machine, script, files, timeout_s=1600)
    assert code == 0, output
    assert output.count(" passed") == len(runs), output


def test_sandbox_tests_pass_as_plain_users(machine, payload):
    """All of them with a single id, those that depend on how ids are mapped with a range."""
    sandbox = "tests/kernel/test_sandbox"
    runs = {
        "single": ("not root and not ranges", f"{sandbox}_*.py"),
        "ranges": ("ranges and not root", f"{sandbox}_ids.py {sandbox}_files.py"),
    }
    run_tests(machine, payload | TESTS, runs)


def test_other_kernel_tests_pass(machine, payload):
    """The owners of a single id, the command line, locks and kills; and as root what depends on ids."""
    runs = {
        "single": ("not root and not ranges", "tests/kernel --ignore-glob='*/test_sandbox_*'"),
        "root": ("root", "tests/kernel/test_sandbox_ids.py"),
    }
    run_tests(machine, payload | TESTS, runs)


@pytest.fixture(scope="module")
def locked(tmp_path_factory) -> tuple[CommandLine, str]:
    """Build a project here, as root; return it and its environment's digest."""
    top = tmp_path_factory.mktemp("locked")
    line = CommandLine(top / "project", top / "store", top / "home")
    line.directory.mkdir()
    line.home.mkdir()
    (line.directory / "envforge.toml").write_text(_SPEC)
    return line, json.loads(line.succeed("build", "--json"))["environment"]


@pytest.mark.archive
@pytest.mark.parametrize("user", ["single", "ranges", "root"])
def test_each_kind_of_user_builds_and_enters_an_environment(machine, payload, locked, user):
    """The same digest as root's here, from the fetched archives alone; then files are removed.

    Root builds in a range of ids there too, over idmapped mounts. The store's file system can seal files
    (fs-verity), so nobody writes to them, and one that is altered on the disk itself is found and made again.
    """
    line, digest = locked
    store = str(line.store)
    files = {
        "project": str(line.directory),
        "store/blobs": f"{store}/blobs",
        "store/format": f"{store}/format",
    }
    commands = """
envforge build --frozen --json >built || exit 4
grep environment built
envforge run -- sh -c 'rm -r /usr/share/doc/hello && test ! -e /usr/share/doc/hello && hello' || exit 5
envforge run -- sh -c 'touch mine && mkdir -p /opt/new && test -e /usr/share/doc/hello' || exit 6
test "$(stat -c %U mine)" = "$(id -un)" || exit 7
"""
    repair = """
envforge run -- hello; test $? -ne 0 || exit 8
envforge fsck --full --repair >found || exit 9
grep /usr/bin/hello found || exit 10
envforge run -- hello || exit 11
"""
    script = f"""
{INSTALL} true || exit 3
{USERS}
export USER={user} HOME=/home/{user} XDG_DATA_HOME={FILES}/data
mkdir -p $HOME $XDG_DATA_HOME && mv store $XDG_DATA_HOME/envforge && cp -a project $HOME/project
chown -R {user}: $XDG_DATA_HOME $HOME && chmod 700 $XDG_DATA_HOME/envforge && cd $HOME/project
runuser -u {user} -- sh -c {shlex.quote(commands)} || exit
python3 {FILES}/tests/vm/sealed_check.py $XDG_DATA_HOME/envforge /dev/vdb || exit
runuser -u {user} -- sh -c {shlex.quote(repair)}
"""
    given = payload | files | TESTS
    code, output = run_in_vm(machine, script, given, timeout_s=1500, features=["verity"])
    assert code == 0, output
    assert re.search(r"sha256:[0-9a-f]{64}", output)[0] == digest
    assert "Hello, world!" in output
