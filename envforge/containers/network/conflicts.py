"""Explains why a port cannot be published."""

from errno import EACCES, EADDRINUSE, EADDRNOTAVAIL, EAFNOSUPPORT
from typing import Final

from envforge.containers.network.holders import holder_of
from envforge.containers.network.listening import RefusedPortError
from envforge.errors import ConflictError, EnvforgeError, PortError
from envforge.kernel.advice import read_sysctl

_FIRST: Final = "net.ipv4.ip_unprivileged_port_start"


def explained(refused: RefusedPortError) -> EnvforgeError:
    """Return the error that tells a user why, and what helps."""
    address, port, container, protocol = refused.published
    what = f"port {port}/{protocol} of {address}"
    if refused.errno == EADDRINUSE:
        return ConflictError(
            f"{what} is taken by {holder_of(refused.published)}",
            hint=f"end that, or take another port: -p auto:{container} finds a free one",
        )
    if refused.errno == EACCES:
        first = read_sysctl(_FIRST) or "1024"
        return PortError(
            f"{what} is for root: a user's ports begin with {first}",
            hint=f"-p {8000 + port % 1000}:{container}, or as root sysctl {_FIRST}={port}",
        )
    if refused.errno in (EADDRNOTAVAIL, EAFNOSUPPORT):
        return PortError(
            f"this machine has no address {address}", hint="`ip address` lists those that it has"
        )
    return PortError(f"{what}: {refused.strerror}", hint="`ulimit -n` says how many sockets may be open")
