"""Two users on one machine: nobody is made to believe, enter or change what another one has laid out."""

import json
import os
from pathlib import Path

import pytest
from canary import GaveWayError
from users import RANGES, SINGLE, lend

pytestmark = [pytest.mark.userns, pytest.mark.root]

SPEC = 'name = "theirs"\n\n[debian]\nsuite = "bookworm"\npockets = []\npackages = []\n'


@pytest.fixture
def attacker(victim):
    """Another unprivileged user than the victim."""
    with lend(SINGLE if victim.kind == "ranges" else RANGES) as user:
        yield user


def own(path, user):
    os.chown(path, user.uid, user.gid, follow_symlinks=False)
    return path


@pytest.fixture
def shared(victim):
    """A directory like /tmp."""
    directory = victim.place / "shared"
    directory.mkdir()
    directory.chmod(0o1777)
    return directory


def theirs(directory, attacker, text=SPEC):
    spec = directory / "envforge.toml"
    spec.write_text(text)
    return own(spec, attacker)


COMMANDS = (
    ("run", "--", "true"),
    ("shell",),
    ("build",),
    ("lock",),
    ("add", "attacker"),
    ("verify",),
    ("show",),
)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda words: words[0])
def test_spec_above_that_is_another_users(victim, attacker, shared, command):
    """The victim works below /tmp, where anybody may lay a spec (CVE-2022-24765 of git)."""
    theirs(shared, attacker)
    work = shared / "work"
    work.mkdir()
    victim.give(work)
    victim.refuse(*command, cwd=work)
    assert sorted(path.name for path in shared.iterdir()) == ["envforge.toml", "work"]


STRANGE = ("spec", "directory", "lock", "directory for all", "spec for all", "link to theirs")


@pytest.mark.parametrize("what", STRANGE)
def test_what_others_can_write_is_not_believed(victim, attacker, shared, what):
    directory = shared / "project"
    directory.mkdir()
    victim.give(directory)
    spec = victim.write(directory / "envforge.toml", SPEC)
    victim.run("lock", cwd=directory)
    if what == "spec":
        own(spec, attacker)
    elif what == "directory":
        own(directory, attacker)
    elif what == "lock":
        own(directory / "envforge.lock", attacker)
    elif what == "directory for all":
        directory.chmod(0o777)
    elif what == "spec for all":
        spec.chmod(0o666)
    else:
        spec.unlink()
        other = shared / "other"
        other.mkdir()
        own(other, attacker)
        spec.symlink_to(theirs(other, attacker))
        os.chown(spec, victim.user.uid, victim.user.gid, follow_symlinks=False)
    for _ in range(2):
        victim.refuse("run", "--", "true", cwd=directory)
    victim.refuse("run", "--", "true", cwd=directory, environment={"ENVFORGE_ALLOW": "1"})


def test_plan_of_before_is_not_used_once_another_can_write(victim, attacker, shared):
    """The warm path looks too."""
    directory = shared / "project"
    directory.mkdir()
    victim.give(directory)
    spec = victim.write(directory / "envforge.toml", SPEC)
    for _ in range(2):
        victim.succeed("run", "--", "true", cwd=directory)
    own(spec, attacker)
    victim.refuse("run", "--", "true", cwd=directory)


def test_search_for_a_spec_stops_at_home(victim):
    """Above one's home is nobody's project."""
    home = victim.place / "home"
    work = home / "work"
    work.mkdir(parents=True)
    victim.give(home, work)
    victim.write(victim.place / "envforge.toml", SPEC)
    victim.refuse("run", "--", "true", cwd=work, environment={"HOME": str(home)})


def test_root_does_not_enter_a_users_project_unasked(victim, attacker):
    if victim.kind != "root":
        pytest.skip("is for root")
    directory = Path(attacker.home) / "project"
    directory.mkdir()
    own(directory, attacker)
    theirs(directory, attacker)
    victim.refuse("run", "--", "true", cwd=directory)


SET_ID = """
touch file; mkdir dir; cp /usr/bin/busybox set-id; chmod 6755 set-id; chmod 2777 dir; mkdir dir/below
cp /usr/bin/busybox dir/below/set-id; chmod 4755 dir/below/set-id; ln set-id linked; mv set-id moved
mkfifo pipe; ln -s / link; : >../outside 2>/dev/null; exit 0
"""


@pytest.mark.parametrize("options", [(), ("-u", "root")], ids=["as itself", "as root"])
def test_root_leaves_only_the_owners_files(victim, attacker, options):
    """Root has trusted a project: what it makes there is its owner's, so a set-id bit gives nothing."""
    if victim.kind != "root":
        pytest.skip("is for root")
    directory = Path(attacker.home) / "project"
    directory.mkdir()
    own(directory, attacker)
    theirs(directory, attacker)
    victim.run("allow", "--trust", str(directory))
    allowed = {"ENVFORGE_ALLOW": "1"}
    victim.succeed("run", *options, "--", "sh", "-c", SET_ID, cwd=directory, environment=allowed)
    wrong = []
    for path in directory.rglob("*"):
        status = path.lstat()
        if path.name != "envforge.lock" and (status.st_uid, status.st_gid) != (attacker.uid, attacker.gid):
            wrong.append(f"{path.name} is {status.st_uid}:{status.st_gid}")
    if wrong:
        raise GaveWayError(", ".join(wrong))


def test_mounts_of_a_users_project_that_root_trusts(victim, attacker):
    """Trust in a directory is no consent to what its spec wants."""
    if victim.kind != "root":
        pytest.skip("is for root")
    directory = Path(attacker.home) / "project"
    directory.mkdir()
    own(directory, attacker)
    more = f'[[mounts]]\nsource = "{victim.canary.path}"\ntarget = "/mnt/x"\n'
    theirs(directory, attacker, SPEC + more)
    victim.run("allow", "--trust", str(directory))
    victim.refuse("run", "--", "sh", "-c", "cat /mnt/x/secret; : >/mnt/x/new", cwd=directory)


def test_what_is_private_stays_so(victim, attacker):
    """Nobody else reads or writes the store, the state, homes, plans, logs."""
    victim.package(postinst="mkdir -p /opt; cp /usr/bin/busybox /opt/set-id; chmod 6755 /opt/set-id")
    victim.succeed("run", "--", "sh", "-c", "echo x >~/x; chmod 777 ~; umask 0; echo x >~/y")
    for top in (victim.store, victim.state):
        for place, _, names in os.walk(top):
            for name in names:
                script = "import sys; open(sys.argv[1], 'rb').read(1); print('read')"
                if (
                    os.path.isfile(f"{place}/{name}")
                    and "read" in attacker.python(script, f"{place}/{name}", check=False).stdout
                ):
                    raise GaveWayError(f"{place}/{name} is read by another user")
            break
        if attacker.run(["ls", str(top)], check=False).returncode == 0:
            raise GaveWayError(f"{top} is listed by another user")


def handed(victim, attacker):
    """Return a directory of the attacker's, prepared as one of envforge's."""
    directory = victim.place / "theirs"
    for name in ("", "envforge", "envforge/plans", "envforge/allowed", "envforge/homes"):
        (directory / name).mkdir()
        (directory / name).chmod(0o700)
        own(directory / name, attacker)
    return directory


def test_store_of_another_user_is_not_used(victim, attacker):
    """Variables lead there: `sudo` that keeps them, say."""
    victim.refuse("run", "--", "true", environment={"XDG_DATA_HOME": str(handed(victim, attacker))})


def test_state_of_another_user_is_not_believed(victim, attacker):
    """It says that the victim trusts the attacker's project, and what its spec wants."""
    state = handed(victim, attacker)
    directory = Path(attacker.home) / "project"
    directory.mkdir()
    own(directory, attacker)
    more = f'[[mounts]]\nsource = "{victim.canary.path}"\ntarget = "/mnt/x"\n'
    theirs(directory, attacker, SPEC + more)
    trusted = state / "envforge/trusted.json"
    trusted.write_text(json.dumps({"directories": [str(directory)]}))
    own(trusted, attacker)
    look = ("run", "--", "sh", "-c", "cat /mnt/x/secret; : >/mnt/x/new")
    for _ in range(2):
        victim.refuse(*look, cwd=directory, environment={"XDG_STATE_HOME": str(state), "ENVFORGE_ALLOW": "1"})
