"""Containers that never ran, for pictures: a shop of three services, an instance of it, and a job."""

import time
from typing import Any

from envforge.containers.output.logs import Entry
from envforge.containers.records import Container, fresh_state
from envforge.sandbox.limits.model import Usage
from envforge.tui.core.containers.samples import History, Samples
from envforge.tui.screens.containers import ContainersScreen
from envforge.tui.watching import LogReader, Seen, Watcher

SHOP = "/home/ada/src/shop/envforge.toml"
_HOUR_NS = 3600 * 10**9
_LOG = (
    ("stdout", "listening on 0.0.0.0:8080 with 4 workers"),
    ("stdout", 'GET / 200 3.1 ms "curl/8.14.1"'),
    ("stderr", "warning: the session store answers slowly (212 ms)"),
    ("stdout", "GET /basket 200 11.8 ms"),
    ("stdout", "POST /basket 302 19.4 ms"),
)
_SHARES = (0.02, 0.05, 0.31, 0.64, 0.42, 0.2, 0.12, 0.55, 0.83, 0.4)


class _Kept(Samples):
    """Samples that no look changes."""

    def note(self, found: Any) -> None:
        """Keep what there is."""


def _made(number: int, name: str, service: str, command: str, **state: Any) -> Container:
    now = time.time_ns()
    config = {
        "format": 1,
        "id": f"{number:012x}",
        "name": name,
        "created": now - number,
        "project": SHOP if service else "/home/ada/src/report/envforge.toml",
        "label": ("shop:db" if service == "db" else "shop") if service else "report",
        "environment": f"sha256:{number:064x}",
        "environment_name": "default",
        "service": service,
        "instance": state.pop("instance", ""),
        "command": command.split(),
        "remove": False,
        "restart": {"policy": "always" if service else "no", "retries": 0},
    }
    started = now - 3 * _HOUR_NS - 60 * 10**9
    found = {**fresh_state(), "status": "running", "started": started, "pid": 4000 + number, **state}
    return Container("/store", config["id"], config, found)


def _port(host: int, container: int) -> dict[str, Any]:
    return {"address": "127.0.0.1", "host": host, "container": container, "protocol": "tcp"}


def containers() -> tuple[Container, ...]:
    """Return them."""
    healthy = {"status": "healthy", "failing": 0, "output": ""}
    ill = {"status": "unhealthy", "failing": 4, "output": "connection refused"}
    gone = {"status": "exited", "pid": 0, "finished": time.time_ns() - 2 * _HOUR_NS - 60 * 10**9}
    return (
        _made(1, "shop-web", "web", "gunicorn -w 4 app:app", health=healthy, ports=[_port(8080, 8080)]),
        _made(2, "shop-db", "db", "postgres -D /data", health=healthy),
        _made(3, "shop-cache", "cache", "redis-server", health=ill),
        _made(4, "shop-test-db", "db", "postgres -D /data", instance="test", status="paused"),
        _made(5, "nightly", "", "python3 report.py --all", exit_code=1, **gone),
    )


def show(screen: ContainersScreen) -> None:
    """Put them on a screen, as if they had been looked at for a while."""
    for clock in screen._clocks:
        clock.stop()
    found = containers()
    needs = {SHOP: {"web": (("db", "healthy"), ("cache", "started")), "db": (), "cache": ()}}
    usages = {}
    known = _Kept()
    for number, one in enumerate(found):
        if not one.is_live:
            continue
        used = (number + 1) * 23_000_000
        usage = Usage(memory_bytes=used, memory_limit_bytes=256_000_000, pids=3 + number, pids_limit=4096)
        history = History(usage, 0.0)
        history.cpus.extend(share / (number + 1) for share in _SHARES * 3)
        history.memory.extend(used - 900_000 * abs(5 - step) for step in range(30))
        known.known[one.id] = history
        usages[one.id] = (0.0, usage)
    screen._samples = known
    screen._saw(Seen(found, usages, needs))


def instead(monkeypatch: Any) -> None:
    """Have the screen see nothing of the store, and read this log."""
    moment = "2026-11-28T09:41:0{}.123456789Z {} F {}"
    read: list[LogReader] = []

    def once(reader: LogReader) -> list[Entry]:
        if reader in read:
            return []
        read.append(reader)
        return [Entry(moment.format(at, *line).encode()) for at, line in enumerate(_LOG)]

    monkeypatch.setattr(LogReader, "read", once)
    monkeypatch.setattr(Watcher, "look", lambda _watcher: Seen())
