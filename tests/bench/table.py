"""The results as Markdown."""

from collections.abc import Mapping

from attrs import frozen

from tests.bench.product import NAME
from tests.bench.trial import Measure, Results

_BYTES = {Measure.DISK, Measure.MEMORY}


@frozen
class Target:
    """A promise: at most `factor` of a peer's median, or at most `limit` (above a peer's, if named)."""

    measure: Measure
    peer: str = ""
    factor: float | None = None
    limit: float | None = None


TARGETS = (
    Target(Measure.ENTRY, "python3 -c pass", limit=0.012),
    Target(Measure.ENTRY, "podman run, host network", factor=1 / 6),
    Target(Measure.ENTRY, "docker run, host network", factor=1 / 8),
    Target(Measure.NOTHING, "mmdebstrap", factor=0.35),
    Target(Measure.NOTHING, "docker", factor=0.5),
    Target(Measure.INERT, "docker", factor=0.05),
    Target(Measure.ACTIVE, "docker", factor=0.25),
    Target(Measure.SAME, "python3 -c pass", limit=0.1),
    Target(Measure.LOCK, limit=1.5),
    Target(Measure.DISK, "docker", factor=0.25),
    Target(Measure.MEMORY, limit=400 * 2**20),
)
_FROM_NOTHING = {Measure.INERT: 0.04, Measure.ACTIVE: 0.16}
"""At most this part of mmdebstrap's time from nothing."""
_OF_OWN = {Measure.TWO: (Measure.LOCK, 1.2), Measure.CACHED: (Measure.NOTHING, 0.4)}
"""At most this many times what another measure of its own takes."""


def render(
    results: Results, facts: Mapping[str, str], versions: Mapping[str, str], absent: Mapping[str, str]
) -> str:
    """Return the whole report."""
    parts = ["# Benchmark\n", *(f"- {name}: {value}" for name, value in facts.items()), ""]
    parts += [f"- {name}: {version}" for name, version in versions.items()]
    parts += [f"- {name}: not measured ({' '.join(reason.split())})" for name, reason in absent.items()]
    parts += ["", *_measures(results), *_targets(results)]
    if results.failures:
        parts += ["", "Failures:", ""]
        parts += [f"- {measure.value}, {peer}: {text}" for (measure, peer), text in results.failures.items()]
    return "\n".join(parts) + "\n"


def _measures(results: Results) -> list[str]:
    lines = [
        "| measure | who | median | least | most | runs | envforge is |",
        "|---|---|--:|--:|--:|--:|--:|",
    ]
    for measure in Measure:
        rows = {peer: values for (which, peer), values in results.samples.items() if which is measure}
        own = _own(results, measure)
        for peer, values in rows.items():
            median = results.median(measure, peer) or 0.0
            ratio = "" if own is None or peer.startswith(NAME) or not median else f"{own / median:.3f} of it"
            shown = " | ".join(_show(measure, value) for value in (median, min(values), max(values)))
            lines.append(f"| {measure.value} | {peer} | {shown} | {len(values)} | {ratio} |")
    return lines


def _targets(results: Results) -> list[str]:
    lines = [line for target in TARGETS for line in _judge(results, target)]
    base = results.median(Measure.NOTHING, "mmdebstrap")
    for measure, factor in _FROM_NOTHING.items():
        own = _own(results, measure)
        if own is not None and base:
            name = f"{measure.value}, of mmdebstrap from nothing"
            lines.append(f"| {name} | {factor:.3f} | {own / base:.3f} | {_verdict(own / base <= factor)} |")
    lines += [
        line
        for measure, (other, factor) in _OF_OWN.items()
        for line in _beside(results, measure, other, factor)
    ]
    return ["", "| target | allowed | measured | |", "|---|--:|--:|---|", *lines] if lines else []


def _beside(results: Results, measure: Measure, other: Measure, factor: float) -> list[str]:
    """Judge one of its own measures by another one."""
    own, base = _own(results, measure), _own(results, other)
    if own is None or not base:
        return []
    ratio = own / base
    name = f"{measure.value}, of {other.value}"
    return [f"| {name} | {factor:.3f} | {ratio:.3f} | {_verdict(ratio <= factor)} |"]


def _judge(results: Results, target: Target) -> list[str]:
    own = _own(results, target.measure)
    if own is None:
        return []
    name = target.measure.value
    if target.factor is not None:
        peer = results.median(target.measure, target.peer)
        if not peer:
            return [f"| {name}, of {target.peer} | {target.factor:.3f} | | not measured |"]
        ratio = own / peer
        verdict = _verdict(ratio <= target.factor)
        return [f"| {name}, of {target.peer} | {target.factor:.3f} | {ratio:.3f} | {verdict} |"]
    limit, floor = target.limit or 0.0, 0.0
    if target.peer:
        floor = results.median(Measure.ENTRY, target.peer) or 0.0
        name += f", above {target.peer}"
    shown = f"{_show(target.measure, limit)} | {_show(target.measure, own - floor)}"
    return [f"| {name} | {shown} | {_verdict(own - floor <= limit)} |"]


def _own(results: Results, measure: Measure) -> float | None:
    for which, peer in results.samples:
        if which is measure and peer.startswith(NAME):
            return results.median(measure, peer)
    return None


def _verdict(held: bool) -> str:  # noqa: FBT001 (its only meaning)
    return "held" if held else "**missed**"


def _show(measure: Measure, value: float) -> str:
    if measure in _BYTES:
        return f"{value / 2**20:,.0f} MiB"
    return f"{value * 1000:.1f} ms" if value < 1 else f"{value:.2f} s"
