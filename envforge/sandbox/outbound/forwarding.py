"""Whether the host forwards for private networks: root's way out stands on that, and never switches it on."""

from envforge.sandbox.outbound import addresses

MARK = "ef-"
"""How the names of the host's ends of cables begin."""


def why_not() -> str:
    """Return why the host forwards nothing for a private network, with what helps; "" if it does."""
    interface = addresses.default_interface()
    name = f"net.ipv4.conf.{interface or 'all'}.forwarding"
    if _read(f"/proc/sys/net/ipv4/conf/{interface or 'all'}/forwarding") != "1":
        return f"{name} is off: `sysctl -w net.ipv4.ip_forward=1` lets this machine forward"
    from envforge.sandbox.outbound import firewall  # noqa: PLC0415  # only where it forwards

    try:
        dropping = firewall.drops_forwarded()
    except OSError as error:
        return f"the kernel has no nf_tables: {error.strerror}"
    if dropping:
        return f"the firewall drops what is forwarded (table {dropping}): allow the interfaces {MARK}* in it"
    return ""


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read().strip()
    except OSError:
        return ""
