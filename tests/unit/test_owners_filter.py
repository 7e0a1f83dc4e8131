"""The supervisor's seccomp program, run by a small interpreter of classic BPF."""

import errno
import inspect
import os
from struct import iter_unpack, pack, unpack_from

import pytest

from envforge.sandbox.owners import filter as seccomp_filter
from envforge.sandbox.owners import numbers
from envforge.sandbox.owners.calls import handlers
from envforge.sandbox.owners.state.attributes import Attributes
from envforge.sandbox.owners.state.shared import SharedState

ALLOW, NOTIFY, NO_SUCH_CALL = 0x7FFF0000, 0x7FC00000, 0x00050000 | errno.ENOSYS
O_TMPFILE = os.O_TMPFILE
PROGRAM = [tuple(one) for one in iter_unpack("<HBBI", seccomp_filter.assemble())]


def judge(number: int, *arguments: int, architecture: int = numbers.X86_64) -> int:
    """Return the program's verdict, as the kernel comes to it."""
    six = [argument & 0xFFFFFFFFFFFFFFFF for argument in (*arguments, 0, 0, 0, 0, 0, 0)[:6]]
    data = pack("<iIQ6Q", number, architecture, 0, *six)
    accumulator, at = 0, 0
    while True:
        code, if_true, if_false, value = PROGRAM[at]
        at += 1
        if code == 0x20:
            (accumulator,) = unpack_from("<I", data, value)
        elif code == 0x05:
            at += value
        elif code == 0x06:
            return value
        else:
            holds = {0x15: accumulator == value, 0x35: accumulator >= value, 0x45: bool(accumulator & value)}[
                code
            ]
            at += if_true if holds else if_false


def call(name: str, *arguments: int) -> int:
    return judge(numbers.TRAPPED[name][0], *arguments)


@pytest.mark.parametrize("architecture", [numbers.X86_64, numbers.I386])
def test_every_trapped_call_is_told_unless_its_arguments_do_not_matter(architecture):
    for name, number in numbers.numbers_of(architecture).items():
        ends = judge(number, 0, 0, 0, architecture=architecture)
        expected = (
            ALLOW if name in {"open", "openat", "prctl", "unshare", "prlimit64", "setrlimit"} else NOTIFY
        )
        assert ends == expected, name


@pytest.mark.parametrize("flags", [os.O_CREAT, os.O_WRONLY, os.O_RDWR, os.O_TRUNC, O_TMPFILE])
def test_opening_is_told_where_it_makes_or_writes(flags):
    assert call("openat", -100, 0, flags) == NOTIFY
    assert call("open", 0, flags) == NOTIFY
    assert call("openat", -100, 0, os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW) == ALLOW


def test_chown_is_told_where_it_names_an_id():
    none = 0xFFFFFFFF
    for name, before in (("chown", (0,)), ("lchown", (0,)), ("fchown", (3,)), ("fchownat", (-100, 0))):
        assert call(name, *before, none, none) == ALLOW
        assert call(name, *before, -1, -1) == ALLOW
        assert call(name, *before, 0, none) == NOTIFY
        assert call(name, *before, none, 5) == NOTIFY
        assert call(name, *before, 5, 5) == NOTIFY


def test_prctl_and_unshare_are_told_where_they_matter():
    assert [call("prctl", option) for option in (8, 28, 38, 15)] == [NOTIFY, NOTIFY, ALLOW, ALLOW]
    assert [call("unshare", flags) for flags in (0x20000, 0x10000000, 0x400)] == [NOTIFY, NOTIFY, ALLOW]


def test_only_the_limit_that_holds_identities_is_told():
    assert [call("prlimit64", 0, limit) for limit in (15, 7)] == [NOTIFY, ALLOW]
    assert [call("setrlimit", limit) for limit in (15, 7)] == [NOTIFY, ALLOW]


def test_other_calls_are_allowed_and_ways_around_refused():
    assert judge(0) == judge(1) == judge(39) == ALLOW
    assert judge(425) == judge(0x40000000 + 102) == NO_SUCH_CALL
    assert judge(212, architecture=numbers.I386) == NOTIFY
    assert judge(182, architecture=numbers.I386) == NO_SUCH_CALL
    assert judge(63, architecture=0xC00000B7) == NO_SUCH_CALL


def test_numbers_are_unique_and_conditions_belong_to_trapped_calls():
    for column in (0, 1):
        both = [*numbers.TRAPPED.values(), *numbers.REFUSED.values()]
        known = [pair[column] for pair in both if pair[column] is not None]
        assert len(known) == len(set(known))
    assert set(seccomp_filter.CONDITIONS) <= set(numbers.TRAPPED)


def test_every_handler_takes_the_process_and_six_arguments():
    found = handlers(SharedState(-1, None, Attributes()))
    for architecture in (numbers.X86_64, numbers.I386):
        assert set(found[architecture]) == set(numbers.numbers_of(architecture).values())
        for handler in found[architecture].values():
            inspect.signature(handler).bind(1, 0, 0, 0, 0, 0, 0)
