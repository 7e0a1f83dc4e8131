"""Who one is inside, and whose the files are: for root, for a subordinate range, for a single id."""

import os

import pytest
from box import ERROR, OWNED

pytestmark = pytest.mark.userns

IDS = "id -u; id -g; stat -c '%u %g' /etc /etc/owned ."


def owner(path):
    status = os.stat(path)
    return status.st_uid, status.st_gid


def test_self_keeps_the_own_uid_and_makes_files_of_ones_own(box):
    gid = os.stat(box.home).st_gid
    said = box.shell(f"{IDS}; touch made; mkdir -m 2755 dir; stat -c '%u %g' made").split()
    assert said[:2] == [str(box.uid), str(gid)]
    of_layer, of_other, of_project, made = (tuple(map(int, said[at : at + 2])) for at in (2, 4, 6, 8))
    assert of_layer == of_project == made == (box.uid, gid)
    assert of_other == ((box.uid, gid) if box.kind == "single" else OWNED[1:])
    assert owner(f"{box.project}/made") == owner(f"{box.project}/dir") == (box.uid, gid)


def test_root_inside_is_the_user_outside(box):
    account = ["root", 0, 0, []]
    said = box.shell(f"{IDS}; touch made; stat -c '%u %g' made", account=account).split()
    assert said[:2] == ["0", "0"]
    assert said[2:4] == said[6:8] == said[8:10] == ["0", "0"]
    assert owner(f"{box.project}/made") == (box.uid, os.stat(box.home).st_gid)


def test_root_inside_gives_files_away(several_ids_box):
    box = several_ids_box
    account = ["root", 0, 0, []]
    said = box.shell("touch /a; chown 33:34 /a; chmod 4755 /a; stat -c '%u %g %a' /a", account=account)
    assert said == "33 34 4755\n"
    assert box.leftovers() == []


def test_a_named_user_is_just_that_user(several_ids_box):
    box = several_ids_box
    said = box.shell(
        "id -u; id -g; id -G; touch /tmp/a; stat -c '%u %g' /tmp/a", account=["five", 5, 6, [6, 7]]
    )
    assert said.split() == ["5", "6", "6", "7", "5", "6"]
    denied = box.run("touch", "/etc/owned", "/etc/hosts", account=["five", 5, 6, []])
    assert "/etc/hosts: Permission denied" in denied.stderr
    assert "/etc/owned" not in denied.stderr


def test_a_named_user_takes_more_than_one_id(single_box):
    refused = single_box.run("true", account=["five", 5, 6, []])
    assert refused.returncode == ERROR
    assert refused.stderr.startswith("CapabilityError:")
    assert "usermod --add-subuids" in refused.stderr


@pytest.mark.root
def test_the_real_root_is_nobody_inside(root_box):
    said = root_box.shell("cat /proc/self/uid_map; stat -c %u /proc/sys /sys", account=["root", 0, 0, []])
    first = int(said.split()[1])
    assert first > 65536
    assert said.split()[3:] == ["65534", "65534"]


@pytest.mark.root
def test_supplementary_groups_do_not_follow_root_inside(root_box):
    assert root_box.shell("grep Groups /proc/self/status").split() == ["Groups:"]


@pytest.mark.root
def test_a_layer_of_root_is_entered_with_the_full_map_where_it_must_be(root_box):
    said = root_box.shell("cat /proc/self/uid_map; touch made", idmapped=False)
    assert said.split()[:2] == ["0", "0"]
    assert owner(f"{root_box.project}/made") == (0, 0)
    refused = root_box.run(
        "sh",
        "-c",
        "echo x >/proc/sys/kernel/hostname; unshare -U true",
        idmapped=False,
        account=["root", 0, 0, []],
    )
    assert "Read-only" in refused.stderr
    assert refused.returncode != 0
    assert "not permitted" in refused.stderr


@pytest.mark.root
def test_pipes_of_root_can_be_opened_by_name(root_box):
    assert root_box.shell("echo hi >/dev/stdout; cat /dev/stdin", stdin="through") == "hi\nthrough"


@pytest.mark.root
def test_what_root_makes_in_the_project_of_another_user_is_theirs(root_box):
    root_box.shell("true")
    project, uid, gid = root_box.project, 12345, 12346
    os.mkdir(f"{project}/theirs")
    with open(f"{project}/of-root", "w", encoding="ascii") as file:
        file.write("of root")
    os.chmod(f"{project}/of-root", 0o600)
    os.mkdir(f"{project}/data")
    for name in ("", "/theirs", "/data"):
        os.chown(project + name, uid, gid)
    script = (
        "mkdir -p d/e; cp /bin/busybox theirs/set-id; chmod 6755 theirs/set-id; echo x >/data/made;"
        "stat -c %u:%g . theirs d/e; chown 5 d 2>&1; cat of-root 2>&1; (echo >of-root) 2>&1;"
        "mknod n c 1 3 2>&1"
    )
    said = root_box.run(
        "sh",
        "-c",
        script,
        foreign=[project, uid, gid],
        mounts=[[f"{project}/data", "/data", False, False, False, project]],
    ).stdout
    assert said.startswith("0:0\n0:0\n0:0\n")
    assert len(said.splitlines()) == 7, said
    for name in ("d", "d/e", "theirs/set-id", "data/made"):
        status = os.stat(f"{project}/{name}")
        assert (status.st_uid, status.st_gid) == (uid, gid), name
    assert os.stat(f"{project}/of-root").st_size == len("of root")
    assert not os.path.lexists(f"{project}/n")


@pytest.mark.root
def test_path_is_searched_to_its_end_in_the_project_of_another_user(root_box):
    """The first file of that name cannot be executed, and the last filter refuses to look again."""
    root_box.shell("true")
    project, uid, gid = root_box.project, 12345, 12346
    os.mkdir(f"{project}/first")
    with open(f"{project}/first/id", "w", encoding="ascii") as file:
        file.write("not executable")
    for name in ("", "/first", "/first/id"):
        os.chown(project + name, uid, gid)
    mounts = [[f"{project}/first", "/first", False, False, False, project]]
    options = {"foreign": [project, uid, gid], "mounts": mounts}
    found = root_box.run("id", "-u", variables=[["PATH", "/first:/bin"]], **options)
    assert (found.returncode, found.stdout, found.stderr) == (0, "0\n", "")
    assert root_box.run("id", variables=[["PATH", "/first"]], **options).returncode == 126
    assert root_box.run("id", variables=[["PATH", "/etc"]], **options).returncode == 127


@pytest.mark.root
def test_root_enters_no_project_of_another_user_without_idmapped_mounts(root_box):
    said = root_box.run("true", foreign=[root_box.project, 12345, 12346], idmapped=False)
    assert "idmapped" in said.stderr
    assert "CapabilityError" in said.stderr
