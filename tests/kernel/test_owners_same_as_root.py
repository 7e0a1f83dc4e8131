"""Root in a plain chroot, and a user with a single id under the supervisor: both see and leave the same."""

import difflib
import os
import shlex
import shutil
import stat
import subprocess

import flat_tree as flat
import pytest

pytestmark = [pytest.mark.userns, pytest.mark.plain_user, pytest.mark.root]

_EDGES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "owners_edges.py")
_AS_ROOT = """
mount -t overlay overlay -o "lowerdir=$1/lower,upperdir=$1/upper,workdir=$1/work" "$1/root" && cd "$1/root" &&
mount -t tmpfs tmpfs tmp && mount -t proc proc proc && mount -t tmpfs tmpfs dev && : > dev/null &&
mount --bind /dev/null dev/null && mount -t tmpfs tmpfs run && cd / && chroot "$1/root" /bin/sh -c "$2"
"""


@pytest.fixture
def by_root(tmp_path, flat_tree):
    """Return a function that runs a script as root over a tree of root's own; it gives output and upper."""
    base = f"/var/tmp/{tmp_path.name}-{os.getpid()}"
    for name in ("upper", "work", "root"):
        os.makedirs(f"{base}/{name}")
    subprocess.run(["cp", "-a", flat_tree.lower, f"{base}/lower"], check=True)
    subprocess.run(["chown", "-hR", "0:0", f"{base}/lower"], check=True)
    for path, (uid, gid) in flat.OWNERS.items():
        mode = os.stat(f"{base}/lower{path}").st_mode
        os.chown(f"{base}/lower{path}", uid, gid)
        os.chmod(f"{base}/lower{path}", stat.S_IMODE(os.stat(flat_tree.lower + path).st_mode) or mode)

    def run(script: str) -> tuple[str, str]:
        words = ["unshare", "--mount", "--pid", "--fork", "--propagation", "private"]
        words += ["env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8", "HOME=/root"]
        words += ["setpriv", "--clear-groups", "sh", "-ec", _AS_ROOT, "sh", base, script]
        done = subprocess.run(words, capture_output=True, text=True, errors="surrogateescape", check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout, f"{base}/upper"

    yield run
    shutil.rmtree(base)


def test_edges(flat_tree, by_root):
    with open(_EDGES, encoding="utf-8") as file:
        code = file.read()
    script = f"exec {flat.interpreter()} -c {shlex.quote(code)}"  # no child whose end interrupts a call
    expected, root_upper = by_root(script)
    outcome = flat_tree.run(["sh", "-c", script])
    difference = difflib.unified_diff(expected.splitlines(), outcome.output.splitlines(), "root", "single id")
    text = "\n".join(difference)
    assert not text, text
    assert _described(f"{flat_tree.user.home}/upper", outcome, flat_tree.user.uid) == _described(root_upper)


def _described(upper: str, outcome: flat.Outcome | None = None, user: int = 0) -> dict[str, object]:
    """Return type, mode, owner and device of every path; what the supervisor told goes before the disk."""
    found = {}
    for directory, directories, files in os.walk(upper):
        for name in directories + files:
            full = f"{directory}/{name}"
            path, status = full[len(upper) :], os.lstat(full)
            kind, device = stat.S_IFMT(status.st_mode), None
            if stat.S_ISCHR(kind) and status.st_rdev == 0:
                continue  # a whiteout
            owner = [status.st_uid, status.st_gid]
            if kind in {stat.S_IFCHR, stat.S_IFBLK}:
                device = [os.major(status.st_rdev), os.minor(status.st_rdev)]
            if outcome is not None:
                assert owner[0] == user, full
                told = outcome.owners.get(path, {"owner": [0, 0], "type": None, "device": None})
                owner, device = told["owner"], told["device"] or device
                kind = {"c": stat.S_IFCHR, "b": stat.S_IFBLK, None: kind}[told["type"]]
            found[path] = (oct(kind), oct(stat.S_IMODE(status.st_mode)), owner, device)
    return found
