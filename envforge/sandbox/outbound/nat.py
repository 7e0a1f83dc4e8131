"""Root's way out: a cable to the host, which forwards what comes by it under its own address.

    private network ── INSIDE ─────── NAME ── host: forwards to other machines, refuses all else

The cable ends with the private network, and the rules with the process that holds them. Nothing else of the
host is changed: where it does not forward, there is no way out.
"""

import os

from envforge.sandbox.outbound import addresses, firewall, rtnetlink
from envforge.sandbox.outbound.forwarding import MARK

PREFIX = 30
_NAME_DIGITS = 10


class Cable:
    """A cable that is laid: the host's end of it, and the addresses of both."""

    __slots__ = ("_table", "address", "gateway")

    def __init__(self, key: str, interface: str, namespace: int) -> None:
        """Lay it; its other end is that interface of a network namespace. Raises OSError, and leaves nothing.

        `key`: hex digits that no other cable has. The caller sets up the other end.
        """
        name = f"{MARK}{key[:_NAME_DIGITS]}"
        links = rtnetlink.Links()
        try:
            links.add_veth(name, "", interface, namespace)
            self._table = None
            try:
                seed = links.index(name)
                network = addresses.free(addresses.LINKS, PREFIX, seed, addresses.of_the_host())
                self.gateway, self.address = (addresses.text_of(network + number) for number in (1, 2))
                self._table = _table(name, self.address)
                _write(f"/proc/sys/net/ipv6/conf/{name}/disable_ipv6", "1")
                links.add_address(name, self.gateway, PREFIX)
                links.bring_up(name)
            except BaseException:
                links.remove(name)
                self.close()
                raise
        finally:
            links.close()

    def close(self) -> None:
        """Remove the rules; the cable itself ends with the private network."""
        if self._table is not None:
            self._table.close()
            self._table = None


def _table(name: str, address: str) -> firewall.Table:
    """Make the rules of a cable: connections go from it to other machines, and not to it or to the host."""
    table = firewall.Table(f"envforge-{name}")
    table.add_chain(firewall.POSTROUTING)
    table.add_chain(firewall.FORWARD)
    table.add_chain(firewall.INGRESS, name)
    table.add_rule(firewall.POSTROUTING, firewall.comes_from(address), firewall.masquerade())
    table.add_rule(firewall.INGRESS, firewall.is_for_here(), firewall.refuse())
    table.add_rule(firewall.FORWARD, firewall.leaves_by(name), firewall.is_new(), firewall.refuse())
    try:
        table.make()
    except BaseException:
        table.close()
        raise
    return table


def _write(path: str, text: str) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    except OSError:
        return  # there is no IPv6
    os.write(descriptor, text.encode())
    os.close(descriptor)
