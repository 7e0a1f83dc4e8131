"""What a spec asks of its sources, and how it differs from what a lock was made for. Pure."""

from collections.abc import Mapping

from envforge.lock.model import Lock
from envforge.sources import registry
from envforge.sources.interface import Request
from envforge.spec.model import Spec

Requests = Mapping[str, Request]
"""By the name of the source."""


def requests_of(spec: Spec) -> Requests:
    """Return what an environment of a spec asks for, normalised."""
    found = {source.name: source.request(spec) for source in registry.LOCKED}
    return {name: request for name, request in found.items() if request is not None}


def stale_parts(lock: Lock, environment: str, now: Requests) -> tuple[str, ...]:
    """Return the spec keys in which an environment's requests differ from the lock's; empty if it fits."""
    known = lock.environments.get(environment)
    if known is None:
        return (f"environments.{environment}",)
    found: list[str] = []
    for source in registry.LOCKED:
        then, asked = known.requests.get(source.name), now.get(source.name)
        if then is None or asked is None:
            found += [source.name] if then is not asked else []
        elif then != asked:
            found += source.differences(then, asked)
    return tuple(found)
