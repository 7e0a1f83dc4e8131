"""Networks of IPv4 that clash with none that the host reaches, and the host's own addresses."""

import sys
from _socket import AF_INET, AF_INET6, inet_ntoa

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    Network = tuple[int, int]
    """Address and mask, as numbers."""

PROJECTS = ("10.89.0.0", "172.29.0.0", "192.168.192.0", "100.89.0.0")
"""Where the networks of projects lie, the first choice first: in the next 2^14 addresses."""
LINKS = ("10.90.0.0", "172.30.0.0", "192.168.128.0", "100.90.0.0")
"""Likewise the cables between private networks and the host."""
_BITS = 14


def number_of(address: str) -> int:
    """Return an address as a number."""
    first, second, third, fourth = map(int, address.split("."))
    return first << 24 | second << 16 | third << 8 | fourth


def text_of(number: int) -> str:
    """Return an address as it is written."""
    return inet_ntoa(number.to_bytes(4, "big"))


def free(pools: "Iterable[str]", prefix: int, seed: int, taken: "Iterable[Network]") -> int:
    """Return the first network of that size which overlaps none of `taken`, from a place that `seed` tells.

    Where all overlap, as behind a route for the whole of 10.0.0.0/8 and its like, it is the first one.
    """
    size = 1 << 32 - prefix
    count = (1 << _BITS) // size
    known = [one for one in taken if one[1]]
    pools = tuple(pools)
    for pool in pools:
        for step in range(count):
            network = number_of(pool) + (seed + step) % count * size
            if not any(overlap((network, -size & 0xFFFFFFFF), one) for one in known):
                return network
    return number_of(pools[0]) + seed % count * size


def overlap(one: "Network", other: "Network") -> bool:
    """Say whether two networks have addresses in common."""
    mask = one[1] & other[1]
    return one[0] & mask == other[0] & mask


def of_the_host() -> "list[Network]":
    """Return the networks that the host has routes for; its default route is one with an empty mask."""
    return [(destination, mask) for _, destination, mask in _routes()]


def default_interface() -> str:
    """Return the interface by which the host reaches the rest of the world, "" if there is none."""
    return next((name for name, destination, mask in _routes() if not destination and not mask), "")


def _routes() -> "list[tuple[str, int, int]]":
    """Return interface, destination and mask of each route of IPv4 (proc_net_route(5))."""
    found = []
    try:
        with open("/proc/net/route", encoding="utf-8") as file:
            lines = file.read().splitlines()[1:]
    except OSError:
        return []
    for line in lines:
        words = line.split()
        found.append((words[0], _listed(words[1]), _listed(words[7])))
    return found


def _listed(text: str) -> int:
    """Return a number that is written in the machine's byte order."""
    return int.from_bytes(int(text, 16).to_bytes(4, sys.byteorder), "big")


def own() -> "list[str]":
    """Return the addresses of this network namespace that others can reach: no loopback, none of a link."""
    from envforge.sandbox.outbound import rtnetlink  # noqa: PLC0415  # only with a way out

    links = rtnetlink.Links()
    try:
        return [one for family in (AF_INET, AF_INET6) for one in links.addresses(family) if is_far(one)]
    finally:
        links.close()


def is_far(address: str) -> bool:
    """Say whether an address is neither a loopback's nor of one link."""
    return not address.startswith(("127.", "fe80:")) and address != "::1"
