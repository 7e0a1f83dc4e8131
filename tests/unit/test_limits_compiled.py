"""What is written to cgroups of either version for given limits."""

from envforge.sandbox.limits import v1, v2
from envforge.sandbox.limits.choose import numbers
from envforge.sandbox.limits.hierarchies import Hierarchies, find
from envforge.sandbox.limits.model import NO_LIMIT, Limits

ALL = Limits(
    memory=64 << 20,
    swap=1 << 20,
    cpus=1.5,
    cpu_weight=200,
    cpuset="0-1",
    pids=10,
    io_read=1000,
    devices=(("/dev/null", "write", 2000),),
)


def test_version_2(tmp_path):
    there = frozenset({"memory", "pids", "cpu", "io", "cpuset"})
    enforced = v2.enforce(ALL, str(tmp_path), there, swap=True)
    assert enforced.bases == (str(tmp_path),)
    assert [(file, text) for _, file, text in enforced.writes] == [
        ("pids.max", "11"),
        ("memory.max", "67108864"),
        ("memory.swap.max", "1048576"),
        ("cpu.max", "150000 100000"),
        ("cpu.weight", "200"),
        ("cpuset.cpus", "0-1"),
        ("io.max", "1:3 wbps=2000"),
    ]
    assert enforced.disks == ((0, "io.max", "* rbps=1000"),)
    assert enforced.missing == {}


def test_version_2_without_a_controller(tmp_path):
    enforced = v2.enforce(ALL, str(tmp_path), frozenset({"pids", "memory"}), swap=False)
    assert set(enforced.missing) == {"swap", "cpus", "cpu-weight", "cpuset", "io-read", "io-write"}
    assert [file for _, file, _ in enforced.writes] == ["pids.max", "memory.max"]


def test_version_1(tmp_path):
    found = Hierarchies({name: str(tmp_path / name) for name in ("pids", "memory", "cpu", "blkio", "cpuset")})
    for place in found.separate.values():
        (tmp_path / place).mkdir()
        (tmp_path / place / "cgroup.procs").touch()
    (tmp_path / "memory" / "memory.memsw.limit_in_bytes").touch()
    enforced = v1.enforce(ALL, Hierarchies(found.separate))
    assert [
        (enforced.bases[number].split("/")[-2], file, text) for number, file, text in enforced.writes
    ] == [
        ("pids", "pids.max", "11"),
        ("memory", "memory.limit_in_bytes", "67108864"),
        ("memory", "memory.memsw.limit_in_bytes", "68157440"),
        ("cpu", "cpu.cfs_period_us", "100000"),
        ("cpu", "cpu.cfs_quota_us", "150000"),
        ("cpu", "cpu.shares", "2048"),
        ("cpuset", "cpuset.cpus", "0-1"),
        ("blkio", "blkio.throttle.write_bps_device", "1:3 2000"),
    ]
    assert [(file, text) for _, file, text in enforced.disks] == [
        ("blkio.throttle.read_bps_device", "* 1000")
    ]
    unlimited = v1.enforce(Limits(memory=10 << 20, swap=NO_LIMIT, pids=NO_LIMIT), Hierarchies(found.separate))
    assert [text for _, _, text in unlimited.writes] == [str(10 << 20), "-1"]


def test_hierarchies_are_found(tmp_path):
    mounts, own = tmp_path / "mountinfo", tmp_path / "cgroup"
    mounts.write_text(
        "30 25 0:26 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
        "31 25 0:27 / /sys/fs/cgroup/with\\040space rw shared:9 - cgroup cgroup rw,memory\n"
        "32 25 0:28 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
    )
    own.write_text("2:cpu,cpuacct:/a\n1:memory:/b\n0::/c:d\n")
    found = find(str(mounts), str(own))
    assert found.separate == {
        "cpu": "/sys/fs/cgroup/cpu,cpuacct",
        "cpuacct": "/sys/fs/cgroup/cpu,cpuacct",
        "memory": "/sys/fs/cgroup/with space",
    }
    assert found.unified == "/sys/fs/cgroup/unified"
    assert found.own == {"cpu": "/a", "cpuacct": "/a", "memory": "/b", "": "/c:d"}


def test_sets_of_processors():
    assert numbers("0-2,5") == {0, 1, 2, 5}
    assert numbers("") == set()
