"""The filter, run here by a small interpreter of its instructions, over every call of the table."""

from struct import iter_unpack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envforge.kernel import processes, seccomp
from envforge.kernel.seccomp import ARCHITECTURES, SystemCall, system_calls

ALLOW, EPERM, ENOSYS = 0x7FFF0000, 0x50001, 0x50026
AUDIT = {
    "x86_64": 0xC000003E,
    "i386": 0x40000003,
    "aarch64": 0xC00000B7,
    "arm": 0x40000028,
    "riscv64": 0xC00000F3,
}
COLUMNS = list(AUDIT)
CASES = [(machine, one) for machine, several in ARCHITECTURES.items() for one in several]


def answer(machine, architecture, number, *arguments, nested=False, set_id=True):
    """Return what the filter says to a call."""
    data = [number & 0xFFFFFFFF, AUDIT.get(architecture, 0), 0, 0]
    for argument in (*arguments, *[0] * (6 - len(arguments))):
        data += [argument & 0xFFFFFFFF, argument >> 32]
    steps = list(iter_unpack("<HBBI", seccomp.program(machine, nested=nested, set_id=set_id)))
    position = loaded = 0
    while True:
        operation, then, otherwise, value = steps[position]
        position += 1
        if operation == 0x06:
            return value
        if operation == 0x20:
            loaded = data[value // 4]
        elif operation == 0x05:
            position += value
        else:
            test = {0x15: loaded == value, 0x35: loaded >= value, 0x45: bool(loaded & value)}[operation]
            position += then if test else otherwise


def number_of(name, architecture):
    found = next(call for call in system_calls() if call.name == name)
    return found.numbers[COLUMNS.index(architecture)]


@pytest.mark.parametrize(("machine", "architecture"), CASES)
@pytest.mark.parametrize("nested", [False, True])
def test_every_call_gets_what_the_table_says(machine, architecture, nested):
    says = {"allow": ALLOW, "refuse": EPERM, "absent": ENOSYS, "namespaces": ALLOW if nested else EPERM}
    for call in system_calls():
        number = call.numbers[COLUMNS.index(architecture)]
        if number is None or call.ours == "check":
            continue
        expected = ENOSYS if call.name == "clone3" and not nested else says[call.ours]
        assert answer(machine, architecture, number, nested=nested) == expected, call.name


@pytest.mark.parametrize(("machine", "architecture"), CASES)
def test_what_is_not_in_the_table_is_not_there(machine, architecture):
    known = {call.numbers[COLUMNS.index(architecture)] for call in system_calls()}
    strange = (*range(600), 0x40000000, 0x40000000 | 39, 0x7FFFFFFF, 0xFFFFFFFF)
    for number in strange:
        if number not in known:
            assert answer(machine, architecture, number) == ENOSYS, number
    assert answer(machine, "another", 0) == ENOSYS


@pytest.mark.parametrize(("machine", "architecture"), CASES)
@pytest.mark.parametrize(
    ("name", "arguments", "says"),
    [
        ("clone", (0x11,), ALLOW),
        ("clone", (0x10000011,), EPERM),
        ("clone", (0x00020000,), EPERM),
        ("ioctl", (0, 0x5401), ALLOW),
        ("ioctl", (0, 0x5412), EPERM),
        ("ioctl", (0, 0x5412 | 1 << 32), EPERM),
        ("ioctl", (0, 0x541C), EPERM),
        ("personality", (0xFFFFFFFF,), ALLOW),
        ("personality", (0x0008,), ALLOW),
        ("personality", (0x0040000,), EPERM),
        ("socket", (2,), ALLOW),
        ("socket", (16,), ALLOW),
        ("socket", (38,), EPERM),
        ("socket", (40,), EPERM),
    ],
)
def test_arguments_are_looked_at(machine, architecture, name, arguments, says):
    assert answer(machine, architecture, number_of(name, architecture), *arguments) == says


def test_the_table_is_sorted_and_no_number_is_there_twice():
    calls = system_calls()
    assert [call.name for call in calls] == sorted({call.name for call in calls})
    for column in range(len(COLUMNS)):
        numbers = [call.numbers[column] for call in calls if call.numbers[column] is not None]
        assert len(numbers) == len(set(numbers))


def test_nothing_that_docker_refuses_is_allowed():
    def strictness(call: SystemCall) -> bool:
        return call.docker in {"allow", "check"} or call.ours not in {"allow", "check"}

    assert [call.name for call in system_calls() if not strictness(call)] == []
    refused = (
        "keyctl bpf perf_event_open userfaultfd move_pages migrate_pages mbind set_mempolicy pidfd_getfd"
    )
    refused += " process_madvise statmount listmount open_tree_attr open_by_handle_at kcmp io_uring_setup"
    for name in refused.split():
        assert answer("x86_64", "x86_64", number_of(name, "x86_64")) in {EPERM, ENOSYS}, name


@pytest.mark.parametrize("machine", ARCHITECTURES)
@pytest.mark.parametrize("nested", [False, True])
def test_the_kernel_takes_it_and_every_jump_lands(machine, nested):
    steps = list(iter_unpack("<HBBI", seccomp.program(machine, nested=nested)))
    assert 0 < len(steps) <= 4096
    for at, (operation, then, otherwise, value) in enumerate(steps):
        if operation == 0x05:
            assert at + 1 + value < len(steps)
        elif operation != 0x06:
            assert at + 1 + max(then, otherwise) < len(steps)


def test_every_machine_that_can_make_namespaces_has_a_filter():
    assert set(processes.NR_CLONE) <= set(ARCHITECTURES)


@given(number=st.integers(0, 0xFFFFFFFF))
def test_a_number_is_found_in_few_steps(number):
    assert answer("x86_64", "x86_64", number) in {ALLOW, EPERM, ENOSYS}


MODES = [
    ("chmod", (0, 0o4755)), ("fchmod", (3, 0o2755)), ("fchmodat", (0, 0, 0o6755)),
    ("mknodat", (0, 0, 0o104755)), ("openat", (0, 0, 0x41, 0o4755)), ("openat", (0, 0, 0x410002, 0o2700)),
]  # fmt: skip


@pytest.mark.parametrize(("machine", "architecture"), CASES)
@pytest.mark.parametrize(("name", "arguments"), MODES)
def test_no_set_id_bit_where_none_may_be(machine, architecture, name, arguments):
    number = number_of(name, architecture)
    if number is None:
        return  # newer architectures have the calls with `at` alone
    plain = (*arguments[:-1], arguments[-1] & ~0o6000)
    assert answer(machine, architecture, number, *arguments) == ALLOW
    assert answer(machine, architecture, number, *arguments, set_id=False) == EPERM
    assert answer(machine, architecture, number, *plain, set_id=False) == ALLOW
    assert number_of("openat2", architecture) == 437  # which the last filter knows


def test_a_mode_counts_only_where_a_file_is_made():
    number = number_of("openat", "x86_64")
    assert answer("x86_64", "x86_64", number, 0, 0, 0, 0xFFFF, set_id=False) == ALLOW
