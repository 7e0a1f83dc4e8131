"""What the panel tells of the container under the cursor, or of the project whose line it is on."""

from typing import TYPE_CHECKING, Any, Final

from envforge.tui.core.containers import ports, samples
from envforge.tui.core.containers.rows import Group, Needs, health, percent, sign, status, where
from envforge.tui.core.grid import Cell
from envforge.tui.core.words import NONE, count, moment, place, short
from envforge.units import size_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from envforge.api.containers import Container
    from envforge.tui.core.containers.samples import History, Samples

Facts = list[tuple[str, Cell]]
_WIDTH: Final = 20
_WIDTH_MIN: Final = 8
"""Of a line of samples, as there is room."""
_BESIDE: Final = 24
"""Cells that the names, a number and the gaps between them take."""
_OUTPUT_MAX: Final = 300
_SECOND_NS: Final = 1_000_000_000


def of_group(group: Group, known: "Samples") -> Facts:
    """Return what is told of a project."""
    histories = [known.known[one.id] for one in group.containers if one.id in known.known]
    runs = sum(one.is_live for one in group.containers)
    facts = [
        ("project", Cell(where(group) or NONE, "strong")),
        ("containers", Cell(f"{len(group.containers)}, {runs} running")),
        ("cpu", Cell(percent(sum(one.share or 0.0 for one in histories)))),
        ("memory", Cell(size_text(sum(one.usage.memory_bytes or 0 for one in histories)))),
    ]
    if group.instance:
        facts.insert(1, ("instance", Cell(group.instance)))
    return facts


def of_container(
    one: "Container", group: Group, needs: Needs, history: "History | None", *, room: int
) -> Facts:
    """Return what is told of a container, in lines of `room` cells."""
    config = one.config
    state = status(one)
    facts = [
        ("container", Cell(f"{one.id}  {one.name}", "strong")),
        ("status", Cell(f"{sign(one).text} {state.text}", state.style)),
        *_troubles(one),
        *_usage(history, max(min(_WIDTH, room - _BESIDE), _WIDTH_MIN)),
        *[("port" if not number else "", _port(port)) for number, port in enumerate(one.state["ports"])],
        *_around(one, group, needs),
        ("command", Cell(" ".join(config["command"]))),
        ("environment", Cell(f"{config['label']}  {short(config['environment'])}")),
        ("started", Cell(moment(one.state["started"] // _SECOND_NS))),
        ("restart", Cell(_restart(one))),
        ("spec", Cell(place(config["project"]) or NONE, "dim")),
    ]
    return [(name, cell) for name, cell in facts if cell.text]


def _troubles(one: "Container") -> Facts:
    state, found = one.state, []
    word = health(one).text
    output = str(state["health"].get("output") or "").strip() if word else ""
    if output and word != "healthy":
        found.append(("health", Cell(output[-_OUTPUT_MAX:], "bad")))
    if state["oom_killed"]:
        found.append(("memory", Cell("it was killed: it wanted more than its limit", "bad")))
    if state["error"]:
        found.append(("error", Cell(str(state["error"]), "bad")))
    found += [("limit", Cell(f"{name}: not enforced, {why}", "warn")) for name, why in state["not_enforced"]]
    return found


def _usage(history: "History | None", width: int) -> Facts:
    if history is None:
        return []
    usage = history.usage
    facts: Facts = []
    if history.share is not None:
        bars = samples.cpu_line(history, width)
        facts.append(("cpu", Cell(f"{percent(history.share):>7}  {bars}", "accent")))
    if usage.memory_bytes is not None:
        bars = samples.memory_line(history, width)
        facts.append(("memory", Cell(f"{size_text(usage.memory_bytes):>7}  {bars}", "accent")))
    if usage.memory_limit_bytes is not None:
        facts.append(("", Cell(f"{size_text(usage.memory_limit_bytes)} at most")))
    facts += [
        ("processes", Cell("" if usage.pids is None else _of(usage.pids, usage.pids_limit))),
        ("disk", Cell(_pair(usage.read_bytes, "read", usage.written_bytes, "written"))),
        ("network", Cell(_pair(usage.received_bytes, "received", usage.sent_bytes, "sent"))),
    ]
    return facts


def _of(number: int, limit: int | None) -> str:
    return str(number) if limit is None else f"{number} of {limit}"


def _pair(one: int | None, verb: str, other: int | None, further: str) -> str:
    if one is None or other is None:
        return ""
    return f"{size_text(one)} {verb}, {size_text(other)} {further}"


def _port(port: ports.Port) -> Cell:
    return Cell(f"{ports.whole(port)}  {ports.address(port) if port['protocol'] == 'tcp' else ''}".rstrip())


def _around(one: "Container", group: Group, needs: Needs) -> Facts:
    """Return the services that it waits for, each as it is now, and those that wait for it."""
    service = one.config["service"]
    if not service:
        return []
    of_project = needs.get(group.spec, {})
    found = {other.config["service"]: other for other in group.containers}
    waits = [_need(name, condition, found.get(name)) for name, condition in of_project.get(service, ())]
    others = sorted(name for name, them in of_project.items() if service in {first for first, _ in them})
    return [
        ("service", Cell(service)),
        *[("needs" if not number else "", cell) for number, cell in enumerate(waits)],
        ("needed by", Cell(", ".join(others))),
    ]


def _need(name: str, condition: str, other: "Container | None") -> Cell:
    if other is None:
        return Cell(f"○ {name} {condition}: not there", "warn")
    now = sign(other)
    return Cell(f"{now.text} {name} {condition}", now.style)


def _restart(one: "Container") -> str:
    policy: dict[str, Any] = one.config.get("restart") or {}
    name = str(policy.get("policy") or "no")
    times = one.state["restarts"]
    return f"{name}, {count(times, 'time')} so far" if times else name


def removal(chosen: "Sequence[Container]") -> list[Cell]:
    """Return what the question says before containers are removed."""
    lines = [Cell(f"{one.name}  {status(one).text}", "warn" if one.is_live else "") for one in chosen[:20]]
    if len(chosen) > 20:
        lines.append(Cell(f"and {len(chosen) - 20} more"))
    lines += [Cell(""), Cell("What was changed inside and the log go with it; volumes stay.")]
    if any(one.is_live for one in chosen):
        lines.append(Cell("What runs there is killed.", "bad"))
    return lines


def stopping(chosen: "Sequence[Container]") -> list[Cell]:
    """Return what the question says before several containers are stopped, or one that goes with its end."""
    lines = [Cell(one.name) for one in chosen[:20]]
    going = [one.name for one in chosen if one.config["remove"]]
    if going:
        lines += [Cell(""), Cell(f"{', '.join(going)}: removed once stopped (--rm)", "warn")]
    return lines
