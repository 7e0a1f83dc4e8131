"""Debian 12's own kernel, older than that of most test machines: what breaks there breaks for users."""

import hashlib
import os

import harness
import pytest
from harness import Machine, make_machine, run_in_vm
from payload import INSTALL, make_payload

pytestmark = pytest.mark.vm

_PROJECT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
_TESTS = {"tests": f"{_PROJECT}/tests", "pyproject.toml": f"{_PROJECT}/pyproject.toml"}
_USERS = """
useradd --create-home -K SUB_UID_COUNT=0 -K SUB_GID_COUNT=0 single
touch /etc/subuid /etc/subgid
useradd --create-home -K SUB_UID_COUNT=0 -K SUB_GID_COUNT=0 ranges
usermod --add-subuids 200000-265535 --add-subgids 200000-265535 ranges
"""


@pytest.fixture(scope="module")
def machine(pytestconfig) -> Machine:
    with open(harness.__file__, "rb") as file:
        version = hashlib.sha256(file.read()).hexdigest()[:12]
    return make_machine(str(pytestconfig.cache.mkdir(f"envforge-vm-{version}")))


@pytest.fixture(scope="module")
def payload(tmp_path_factory) -> dict[str, str]:
    return make_payload(str(tmp_path_factory.mktemp("payload")))


def test_guest_runs_the_older_kernel(machine):
    code, output = run_in_vm(machine, "uname -r; exit 7", {})
    assert output.splitlines()[-1] == machine.release
    assert code == 7


def test_plain_users_pass_the_kernel_tests(machine, payload):
    """The sandbox's own tests, as a user with a single id and as one with a range."""
    script = f"""
{INSTALL} true || exit 3
{_USERS}
export NO_COLOR=1
status=0
for user in single ranges; do
  echo "== as $user"
  runuser -u $user -- env HOME=/home/$user python3 -m pytest -q -p no:cacheprovider \
    -m 'userns and not root and not archive and not vm' tests/kernel || status=1
done
exit $status
"""
    code, output = run_in_vm(machine, script, payload | _TESTS, timeout_s=900)
    assert code == 0, output
    assert output.count(" passed") == 2, output
