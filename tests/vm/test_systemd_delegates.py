"""Limits by cgroups of version 2 where systemd runs the machine: root's, and those that it delegates.

One boot of Debian 12's own kernel, with swap. `single` has a session, as a login makes one, and no manager
that outlives it; `ranges` lingers, and comes from a service of the system.
"""

import re

import pytest
from harness import Machine, kept_machine, run_in_vm
from payload import INSTALL, TESTS, USERS, make_payload

pytestmark = pytest.mark.vm

_SCRIPT = rf"""
{INSTALL} true || exit 3
{USERS}
export NO_COLOR=1
dd if=/dev/zero of=/swap bs=1M count=256 status=none && chmod 600 /swap && mkswap -q /swap && swapon /swap
python3 -m compileall -q tests/*.py tests/vm/*.py
cat >/usr/local/bin/told <<'EOF'
#!/usr/bin/python3
from envforge.sandbox.limits.choose import backend
print(backend().told(), "|", *backend().falls_short())
EOF
chmod +x /usr/local/bin/told

echo "no manager: $(runuser -u single -- told)"
echo "by default: $(runuser -l single -c told)"
sleep 12  # until the manager of a session that is over has ended
mkdir -p /etc/systemd/system/user@.service.d
printf '[Service]\nDelegate=cpu cpuset io memory pids\n' >/etc/systemd/system/user@.service.d/delegate.conf
systemctl daemon-reload
loginctl enable-linger ranges
echo "in a session: $(runuser -l single -c told)"
echo "lingering: $(runuser -u ranges -- told)"

check() {{  # check USER HOW...: every limit, with cgroups of that user's own
  user=$1; shift
  mkdir -p /home/$user/box; chown $user: /home/$user /home/$user/box
  echo "== as $user"
  "$@" "python3 /files/tests/vm/limits_check.py /home/$user/box" && echo "all hold as $user"
}}
check single runuser -l single -c
check ranges runuser -u ranges -- env HOME=/home/ranges sh -c
check root env HOME=/home/root sh -c
sleep 12
echo "left: $(find /sys/fs/cgroup -mindepth 1 -type d -path '*envforge*' | tr '\n' ' ')"
"""


@pytest.fixture(scope="module")
def machine(pytestconfig) -> Machine:
    return kept_machine(pytestconfig.cache, systemd=True)


def test_limits_hold_with_every_back_end_of_version_2(machine, tmp_path):
    files = make_payload(str(tmp_path / "payload")) | TESTS
    code, output = run_in_vm(machine, _SCRIPT, files, timeout_s=2400)
    assert code == 0, output
    of_told = r"^(no manager|by default|in a session|lingering|left): (.*)$"
    told = dict(re.findall(of_told, output, re.MULTILINE))
    delegated = "v2, delegated by systemd's user manager; limits of"
    assert "loginctl enable-linger" in told["no manager"], output
    assert told["by default"].startswith(f"{delegated} cpu, memory, pids | limits of cpuset, io cannot be")
    assert told["in a session"].startswith(f"{delegated} cpu, cpuset, io, memory, pids | containers with lim")
    assert told["lingering"].strip() == f"{delegated} cpu, cpuset, io, memory, pids |"
    for user in ("root", "single", "ranges"):
        assert f"all hold as {user}\n" in output, output
    assert told["left"].split() == ["/sys/fs/cgroup/envforge"], output
