"""What is said where the system refuses, and that nothing is left behind."""

import os
import subprocess

import pytest
from box import ERROR

pytestmark = pytest.mark.userns


def enter(words):
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)


def under(box, script, *command):
    """Enter from a shell of the user that has run `script` before."""
    words = box.words(["unshare", "-Ur", "sh", "-c", f'{script}; exec "$@"', "sh"])
    return enter([*words, *box.command(*command)[len(box.words([])) :]])


def test_a_sysctl_that_refuses_namespaces_is_named(single_box):
    refused = under(single_box, "echo 0 >/proc/sys/user/max_user_namespaces", "true")
    assert refused.returncode == ERROR
    assert refused.stderr.startswith("CapabilityError: ")
    assert "user.max_user_namespaces = 0" in refused.stderr
    assert "sudo sysctl -w user.max_user_namespaces=65536" in refused.stderr


def test_a_user_namespace_of_another_tool_is_no_obstacle(single_box):
    entered = under(single_box, ":", "id", "-u")
    assert (entered.returncode, entered.stdout) == (0, "0\n")


@pytest.mark.ranges
def test_without_new_privileges_a_range_user_has_a_single_id(ranges_box):
    words = ranges_box.words(["setpriv", "--no-new-privs"])
    entered = enter([*words, *ranges_box.command("cat", "/proc/self/uid_map")[len(ranges_box.words([])) :]])
    assert entered.stdout.split() == [str(ranges_box.uid), str(ranges_box.uid), "1"]


@pytest.mark.root
@pytest.mark.parametrize(
    ("mount", "error"),
    [
        ("mount -t tmpfs -o nr_inodes=1 full {}/uppers", "StoreFullError"),
        ("mount --bind -o ro {0}/uppers {0}/uppers", "SandboxError"),
    ],
)
def test_a_store_that_cannot_be_written_to(single_box, mount, error):
    single_box.shell("true")
    script = f'{mount.format(single_box.store)} && exec "$@"'
    refused = enter(["unshare", "-m", "sh", "-c", script, "sh", *single_box.command("true")])
    assert refused.returncode == ERROR
    assert refused.stderr.startswith(error)
    assert os.listdir(f"{single_box.store}/uppers") == []


@pytest.mark.root
def test_the_full_disk_is_the_payloads_problem(single_box):
    single_box.shell("true")
    limit = f"mount -t tmpfs -o size=200k,mode=777 t {single_box.store}/uppers"
    words = single_box.command("sh", "-c", "dd if=/dev/zero of=/big bs=1M count=1; echo $?")
    entered = enter(["unshare", "-m", "sh", "-c", f'{limit} && exec "$@"', "sh", *words])
    if "CapabilityError" in entered.stderr:
        pytest.skip("an upper on tmpfs takes Linux 6.6")
    assert (entered.returncode, entered.stdout) == (0, "1\n")
    assert "No space" in entered.stderr
    assert "left for a later run" in entered.stderr  # the trash is on another file system here
