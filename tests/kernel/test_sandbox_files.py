"""Mounts, masks, the upper directory, and what of the host gets in."""

import fcntl
import os
import socket
import subprocess

import pytest
from box import DIGEST, ERROR, STALE
from processes import own_mark, running, sandbox_parent, wait_until

pytestmark = pytest.mark.userns


def test_nothing_that_is_written_outside_the_mounts_stays(box):
    box.shell("echo x >/etc/hosts; rm -r /opt; touch /tmp/t /run/r; mkdir -p /new/dir; echo kept >kept")
    assert box.shell("cat /etc/hosts; ls -d /opt/deep/deeper; ls /tmp /run; cat kept") == (
        "hosts of the layer\n/opt/deep/deeper\n/run:\n\n/tmp:\nkept\n"
    )
    assert box.leftovers() == []


def test_directories_of_lower_layers_can_be_removed_and_made_again(box):
    script = (
        "rm -r /opt/deep && mkdir /opt/deep && ls -A /opt/deep && mv /srv /srv2 && rmdir /srv2 && ls -d /srv"
    )
    result = box.run("sh", "-c", script)
    assert result.stderr.count("No such file") == 1, result.stderr
    assert result.stdout == ""


def test_mounts(box):
    box.shell("mkdir data; echo of the project >data/x")
    data = f"{box.project}/data"
    mounts = [[data, "/mnt/ro", True], [data, "/mnt/rw"], [f"{data}/none", "/none", False, True]]
    script = "cat /mnt/ro/x; (echo >/mnt/ro/y) 2>&1; echo new >/mnt/rw/z; ls /none 2>&1"
    said = box.run("sh", "-c", script, mounts=mounts).stdout
    assert "of the project" in said
    assert "Read-only" in said
    assert "/none: No such file" in said
    assert sorted(os.listdir(data)) == ["x", "z"]
    missing = box.run("true", mounts=[["/nonexistent", "/mnt"]])
    assert missing.returncode == ERROR
    assert "/nonexistent" in missing.stderr


def test_set_id_and_device_files_of_mounts_have_no_power(box):
    said = box.shell("cat /proc/self/mounts")
    line = next(line for line in said.splitlines() if " /etc" not in line and "proj" in line)
    assert {"nosuid", "nodev"} <= set(line.split()[3].split(","))


def test_state_and_store_are_masked_under_any_mount_that_shows_them(box):
    box.shell("true")
    said = box.shell(
        f"ls -A '{box.store}'; ls -A /all/store; (touch '{box.store}/x') 2>&1; ls /all | head -1",
        mounts=[[box.home, box.home], [box.home, "/all"]],
    )
    assert said.splitlines()[-1] == os.path.basename(box.project)
    assert "Read-only" in said
    assert len(said.splitlines()) == 2


def test_a_mount_of_or_below_a_private_directory_shows_nothing(box):
    box.shell("true")
    inside = f"{box.store}/inside"
    subprocess.run(box.words(["mkdir", "-p", f"{inside}/deep"]), check=True)
    said = box.run("sh", "-c", "ls -A /a /b; touch /a/x /b/x", mounts=[[box.store, "/a"], [inside, "/b"]])
    assert said.stdout == "/a:\n\n/b:\n"
    assert said.stderr.count("Read-only") == 2


def test_a_mask_holds_where_its_parents_are_renamed(box):
    hidden = f"{box.home}/a/b/hidden"
    subprocess.run(box.words(["mkdir", "-p", hidden]), check=True)
    subprocess.run(box.words(["touch", f"{hidden}/secret"]), check=True)
    script = "cd /all && ls -A a/b/hidden; mv a a2; mv a/b a/b2; mv a/b/hidden a/b/h2; ls a/b"
    said = box.run("sh", "-c", script, mounts=[[box.home, "/all"]], private=[hidden])
    assert said.stdout == "hidden\n"
    assert said.stderr.count("busy") == 3, said.stderr


def test_links_are_not_followed_in_what_a_spec_mounts(box):
    box.shell("mkdir -p place; ln -s place link; ln -s /etc out; ln -s ../.. up")
    project = box.project
    for source, within in (
        (f"{project}/link", ""),
        (f"{project}/out", project),
        (f"{project}/up", project),
        (f"{project}/out/ssh", project),
    ):
        said = box.run("true", mounts=[[source, "/m", False, False, False, within]])
        assert said.returncode == ERROR, source
    said = box.run("ls", "/m", mounts=[[f"{project}/link", "/m", False, False, False, project]])
    assert said.returncode == 0, said.stderr


def test_paths_that_are_only_read(box):
    box.shell("mkdir -p .git/hooks; echo x >.git/hooks/h; echo y >spec")
    script = (
        "echo bad >.git/hooks/h; touch .git/hooks/new; echo bad >spec; rm spec; mv .git g;"
        "mv .git/hooks .git/h2; echo z >.git/config; touch /again/hooks/new;"
        "cat spec .git/hooks/h .git/config"
    )
    said = box.run(
        "sh",
        "-c",
        script,
        read_only=[f"{box.project}/{name}" for name in (".git/hooks", "spec", "missing")],
        mounts=[[f"{box.project}/.git", "/again"]],
    )
    assert said.stdout == "y\nx\nz\n"
    assert sorted(os.listdir(f"{box.project}/.git")) == ["config", "hooks"]
    assert os.listdir(f"{box.project}/.git/hooks") == ["h"]


@pytest.mark.parametrize(
    "name", ["plain", "colon:comma,", "back\\slash", "ünï cødé", "new\nline", "-dash", "%s $x"]
)
def test_any_project_path(single_box, name):
    path = f"{single_box.home}/{name}"
    subprocess.run(single_box.words(["mkdir", "--", path]), check=True)
    single_box.shell("pwd >made", mounts=[[path, path]], cwd=path)
    with open(f"{path}/made", encoding="utf-8") as file:
        assert file.read() == f"{path}\n"


def test_only_variables_that_are_let_through_come_in(box):
    let_through = {
        "TERM": "vt100",
        "LC_TIME": "C",
        "KEPT": "1",
        "AWS_X": "2",
        "AZ": "3",
        "THE_END": "4",
        "LANG": "C",
    }
    others = {"SECRET": "5", "KEPT2": "6", "A": "7", "LD_PRELOAD": "", "BASH_ENV": "/x"}
    words = box.command("env", passed=["KEPT", "AWS_*", "A*Z", "*_END"], host=let_through | others)
    said = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    assert dict(line.split("=", 1) for line in said.splitlines()) == {
        "PATH": "/bin",
        "HOME": "/",
        **let_through,
    }


def test_network_of_the_host_or_none(box):
    here = sorted(name for _, name in socket.if_nameindex())
    assert sorted(box.shell("ls /sys/class/net").split()) == here
    script = "ls /sys/class/net; cat /sys/class/net/lo/flags; ping -c 1 -W 1 127.0.0.1 >/dev/null 2>&1; true"
    assert box.shell(script, network="none").split() == ["lo", "0x9"]
    assert box.shell("hostname") == "box\n"


def test_a_missing_layer_is_noticed(box):
    box.shell("true")
    held = os.listdir(f"{box.store}/layers")[0]
    layer = f"{box.store}/layers/{held}/{DIGEST}"
    os.rename(layer, f"{layer}.away")
    gone = box.run("true")
    assert gone.returncode == STALE
    os.rename(f"{layer}.away", layer)
    box.shell("true")


def test_the_lock_is_held_while_inside_and_not_by_the_payload(box):
    box.shell("true")
    mark = own_mark("94")
    process = subprocess.Popen(box.command("sleep", mark))
    wait_until(lambda: running("sleep", mark))
    with open(f"{box.store}/environments/e.json", encoding="ascii") as file:
        with pytest.raises(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.kill(sandbox_parent(process), 15)
        assert process.wait(60) == 128 + 15
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_the_mask_of_the_caller_holds_for_files_of_the_payload(box):
    box.shell("true")
    words = box.command("sh", "-c", "umask; touch private; stat -c %a private /etc")
    careful = ["sh", "-c", 'umask 077; exec "$@"', "sh", *words]
    result = subprocess.run(careful, capture_output=True, text=True, check=True)
    assert result.stdout.split() == ["0077", "600", "755"]
