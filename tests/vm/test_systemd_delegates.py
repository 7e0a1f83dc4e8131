"""Limits by cgroups of version 2 where systemd runs the machine: root's, and those that it delegates.

One boot of Debian 12's own kernel, with swap. `single` has a session, as a login makes one, and no manager
that outlives it; `ranges` lingers, and comes from a service of the system. Each runs the tests of limits with
cgroups of its own.
"""

import re

import pytest
from harness import Machine, kept_machine, run_in_vm
from payload import INSTALL, TESTS, USERS, make_payload

pytestmark = pytest.mark.vm

_SCRIPT = rf"""
{INSTALL} true || exit 3
{USERS}
export NO_COLOR=1 CI=true
dd if=/dev/zero of=/swap bs=1M count=256 status=none && chmod 600 /swap && mkswap -q /swap && swapon /swap

told() {{ grep -A2 cgroups | tr -s '\n ' ' '; }}
echo "no manager: $(runuser -u single -- envforge doctor | told)"
echo "by default: $(runuser -l single -c 'envforge doctor' | told)"
sleep 15  # until the manager of a session that is over has ended
mkdir -p /etc/systemd/system/user@.service.d
printf '[Service]\nDelegate=cpu cpuset io memory pids\n' >/etc/systemd/system/user@.service.d/delegate.conf
systemctl daemon-reload
loginctl enable-linger ranges
sleep 5
echo "lingering: $(runuser -u ranges -- envforge doctor | told)"

check() {{  # check USER HOW...: the tests of limits, with cgroups of their own
  user=$1; shift
  "$@" "cd /files && python3 -m pytest -v --durations=5 -p no:cacheprovider -m 'cgroup and not archive' \
    tests/kernel/test_limits*.py tests/kernel/test_container_resources.py" >/tmp/$user 2>&1
  echo "== as $user: $?"; cat /tmp/$user
}}
check root sh -c
check single runuser -l single -c
check ranges runuser -u ranges -- env HOME=/home/ranges sh -c
sleep 20
echo "left: $(find /sys/fs/cgroup -mindepth 1 -type d -path '*envforge*' | tr '\n' ' ')"
"""


@pytest.fixture(scope="module")
def machine(pytestconfig) -> Machine:
    return kept_machine(pytestconfig.cache, systemd=True)


def test_limits_hold_with_every_back_end_of_version_2(machine, tmp_path):
    files = make_payload(str(tmp_path / "payload")) | TESTS
    code, output = run_in_vm(machine, _SCRIPT, files, timeout_s=2400)
    assert code == 0, output
    told = dict(re.findall(r"^(no manager|by default|lingering|left): (.*)$", output, re.MULTILINE))
    assert "loginctl enable-linger" in told["no manager"], output
    assert "v2, delegated by systemd's user manager; limits of cpu, memory, pids" in told["by default"]
    assert "cpuset, io cannot be enforced" in told["by default"]
    assert "limits of cpu, cpuset, io, memory, pids" in told["lingering"]
    for user in ("root", "single", "ranges"):
        assert f"== as {user}: 0" in output, output
    assert not re.search(r"\d skipped", output), output
    assert told["left"].split() == ["/sys/fs/cgroup/envforge"], output
