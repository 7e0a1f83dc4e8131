"""Networks that clash with none of the host's, and the resolvers that a private network reaches."""

import pytest

from envforge.sandbox.outbound import addresses, resolvers


def network(text: str) -> tuple[int, int]:
    """Return a network as it is written."""
    address, _, prefix = text.partition("/")
    return addresses.number_of(address), 0xFFFFFFFF << 32 - int(prefix) & 0xFFFFFFFF if int(prefix) else 0


@pytest.mark.parametrize(
    ("taken", "found"),
    [
        ([], "10.89.4.0"),
        (["0.0.0.0/0"], "10.89.4.0"),
        (["10.89.4.0/24"], "10.89.8.0"),
        (["10.89.7.255/32"], "10.89.8.0"),
        (["10.89.4.0/22", "10.89.8.0/21"], "10.89.16.0"),
        (["10.89.0.0/16"], "172.29.4.0"),
        (["10.0.0.0/8", "172.16.0.0/12"], "192.168.196.0"),
        (["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"], "100.89.4.0"),
        (["0.0.0.0/1", "128.0.0.0/1"], "10.89.4.0"),
    ],
)
def test_a_network_overlaps_no_route_where_there_is_a_free_one(taken, found):
    number = addresses.free(addresses.PROJECTS, 22, 1, map(network, taken))
    assert addresses.text_of(number) == found


def test_the_search_begins_anew_at_the_end_of_a_pool():
    number = addresses.free(addresses.LINKS, 30, (1 << 12) - 1, [network("10.90.63.252/30")])
    assert addresses.text_of(number) == "10.90.0.0"


@pytest.mark.parametrize(
    ("text", "kept", "has_any"),
    [
        ("nameserver 192.0.2.1\n", "nameserver 192.0.2.1\n", True),
        (
            "search a.example\nnameserver 127.0.0.53\noptions edns0\n",
            "search a.example\noptions edns0\n",
            False,
        ),
        ("nameserver 127.0.0.1\nnameserver 192.0.2.1\n", "nameserver 192.0.2.1\n", True),
        ("nameserver ::1\nnameserver 198.51.100.7\n", "", False),
        ("# nameserver 192.0.2.1\n", "# nameserver 192.0.2.1\n", False),
        ("nameserver\n", "nameserver\n", True),
        ("", "", False),
    ],
)
def test_resolvers_on_the_host_are_left_out(text, kept, has_any):
    assert resolvers.reachable(text, ["198.51.100.7"]) == (kept, has_any)
