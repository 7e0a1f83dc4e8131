"""What the bench ran on: times mean nothing without it."""

import os
import platform
import time


def facts(directory: str) -> dict[str, str]:
    """Return name -> value of what bears on the figures."""
    with open("/etc/os-release", encoding="utf-8") as file:
        release = dict(line.rstrip("\n").split("=", 1) for line in file if "=" in line)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "processor": f"{_processor()}, {os.cpu_count()} cores",
        "memory": f"{memory / 2**30:.0f} GiB",
        "kernel": platform.release(),
        "system": release.get("PRETTY_NAME", "").strip('"'),
        "file system": _file_system(directory),
        "load when it started": f"{os.getloadavg()[0]:.2f}",
        "user": f"uid {os.geteuid()}",
    }


def _processor() -> str:
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        for line in file:
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.machine()


def _file_system(directory: str) -> str:
    """Return the type of the file system of a directory: the longest mount point that it is under."""
    path = os.path.realpath(directory)
    with open("/proc/self/mounts", encoding="utf-8") as file:
        mounts = [line.split()[1:3] for line in file]
    under = [(point, kind) for point, kind in mounts if f"{path}/".startswith(point.rstrip("/") + "/")]
    return max(under, key=lambda mount: len(mount[0]), default=("", "unknown"))[1]
