"""What packages wait for by way of others that need no configuration. Pure.

dpkg configures a package after those that it depends on, and looks no further. In a step it sees packages
without scripts as installed from the start. So where a daemon depends on such a library, and that on one
whose script makes a user, nothing would tell dpkg to run that script first.
"""

from collections.abc import Collection, Mapping

from envforge.sources.debian.dpkg import relations


def awaited(
    configure: Collection[str], fields: Mapping[str, Mapping[str, str]]
) -> dict[str, tuple[str, ...]]:
    """Return packages with those that they wait for beyond what their own archives say, sorted.

    `configure` are a step's packages that are configured; `fields` the relation fields of all that it sees.
    """
    given = relations.providers(fields.items())
    needed = {
        name: frozenset(one for able in relations.satisfying(own, given) for one in able)
        for name, own in fields.items()
    }
    every = frozenset(configure)
    further = {name: _reached(name, every, needed) - needed[name] - {name} for name in sorted(every)}
    return {name: tuple(sorted(others)) for name, others in further.items() if others}


def _reached(start: str, configure: frozenset[str], needed: Mapping[str, frozenset[str]]) -> frozenset[str]:
    """Return the configured packages that are reached over others only."""
    seen: set[str] = set()
    waiting = [start]
    while waiting:
        further = needed[waiting.pop()] - seen
        seen |= further
        waiting += further - configure
    return configure & seen
