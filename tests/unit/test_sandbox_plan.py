"""What a plan compiles to, for each kind of identity: values only, no namespaces."""

import marshal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envforge.errors import CapabilityError
from envforge.kernel import processes
from envforge.kernel.capabilities import DEFAULT, NET_RAW
from envforge.sandbox.ids.identity import Identity
from envforge.sandbox.plan.compile import compile_plan, swapped
from envforge.sandbox.plan.model import Account, Mount, SandboxPlan

UIDS = ((0, 1000, 1), (1, 100000, 65536))
GIDS = ((0, 1001, 1), (1, 200000, 65536))
RANGE = Identity("range-100000-200000", UIDS, GIDS, True, UIDS, GIDS)
FLAT = Identity("flat", ((0, 1000, 1),), ((0, 1001, 1),), False, ((0, 1000, 1),), ((0, 1001, 1),))
ALL = ((0, 0, 4294967295),)
BLOCK = ((0, 1879048192, 65536),)
TRUE = Identity("true", ALL, ALL, False, BLOCK, BLOCK)
ROOT = Account("root", 0, 0)


def compiled(identity=RANGE, **values):
    store = "/s"
    plan = SandboxPlan(
        identity=identity,
        store=store,
        layers=("a" * 64, "b" * 64),
        lock_file=f"{store}/environments/e.json",
        hostname="h",
        command=("sh",),
        cwd="/p",
        **values,
    )
    return compile_plan(plan)


def test_a_compiled_plan_survives_marshal():
    for identity in (RANGE, FLAT, TRUE):
        plan = compiled(identity, mounts=(Mount("/p", "/p"),), variables=(("A", "b"),))
        assert marshal.loads(marshal.dumps(plan)) == plan


def test_layers_and_uppers_are_named_relative_to_the_layers_directory():
    plan = compiled()
    assert plan["layers_directory"] == "/s/layers/range-100000-200000"
    assert plan["layers"] == (f"{'a' * 64}/root", f"{'b' * 64}/root")
    assert plan["uppers_relative"] == "../../uppers"


def test_self_in_a_range_nests_a_namespace():
    plan = compiled(RANGE)
    assert plan["mapping"] == "tools"
    assert plan["uid_map"] == "0 1000 1\n1 100000 65536\n"
    assert plan["nested"] == (
        "1000 0 1\n0 1000 1\n1 1 999\n1001 1001 64536\n",
        "1001 0 1\n0 1001 1\n1 1 1000\n1002 1002 64535\n",
    )
    assert plan["credentials"] is None
    assert plan["capabilities"] == plan["bounding"] == ()


def test_root_in_a_range_stays_in_the_outer_namespace():
    plan = compiled(RANGE, user=ROOT)
    assert plan["nested"] is None
    assert plan["credentials"] == (0, 0, ())
    assert plan["capabilities"] == plan["bounding"] == DEFAULT


@pytest.mark.parametrize(
    ("identity", "network", "outbound", "has_it"),
    [
        (RANGE, "private", True, False),
        (FLAT, "private", True, False),
        (TRUE, "private", True, True),
        (RANGE, "private", False, True),
        (RANGE, "host", True, True),
    ],
)
def test_root_behind_pasta_has_no_raw_sockets(identity, network, outbound, has_it):
    plan = compiled(identity, user=ROOT, network=network, outbound=outbound)
    assert [NET_RAW in plan[name] for name in ("capabilities", "bounding")] == [has_it, has_it]


def test_a_named_user_has_no_capabilities():
    plan = compiled(RANGE, user=Account("web", 33, 34, (5,)))
    assert plan["credentials"] == (33, 34, (5,))
    assert plan["capabilities"] == ()
    assert plan["bounding"] == DEFAULT


def test_a_single_id_needs_no_nesting_and_no_tools():
    plan = compiled(FLAT)
    assert (plan["mapping"], plan["nested"]) == ("self", None)
    assert (plan["uid_map"], plan["gid_map"]) == ("1000 1000 1\n", "1001 1001 1\n")
    assert compiled(FLAT, user=ROOT)["uid_map"] == "0 1000 1\n"
    assert not plan["tty_group"]


@pytest.mark.parametrize("values", [{"user": Account("web", 33, 33)}, {"privileges": True}])
def test_what_takes_several_ids_is_refused_with_the_command_that_grants_them(values):
    with pytest.raises(CapabilityError) as caught:
        compiled(FLAT, **values)
    assert "usermod --add-subuids" in caught.value.hint


def test_root_runs_in_a_range_over_idmapped_mounts():
    plan = compiled(TRUE)
    assert plan["idmapped"]
    assert plan["mapping"] == "parent"
    assert plan["uid_map"] == "0 1879048192 65536\n"
    assert plan["owner"] == (1879048192, 1879048192)
    assert plan["notes"] == ()
    assert compiled(TRUE, user=Account("web", 33, 34))["payload_owner"] == (1879048192 + 33, 1879048192 + 34)


def test_without_idmapped_mounts_root_is_told_and_may_not_nest():
    plan = compiled(TRUE, idmapped=False)
    assert not plan["idmapped"]
    assert plan["uid_map"] == "0 0 4294967295\n"
    assert len(plan["notes"]) == 1
    nested = {"nested_namespaces": True}
    plain = compiled(TRUE)
    assert compiled(TRUE, idmapped=False, **nested)["seccomp"] == plain["seccomp"]
    assert compiled(TRUE, **nested)["seccomp"] != plain["seccomp"]
    assert [compiled(TRUE, **nested)["namespaces"], plain["namespaces"]] == [True, False]


def test_a_forwarded_display_leaves_abstract_sockets_in_reach():
    assert compiled()["scopes"] == 3
    assert compiled(forward=("x11",))["scopes"] == 2


def test_network_none_is_a_namespace_of_its_own():
    assert not compiled(network="host")["flags"] & processes.CLONE_NEWNET
    assert compiled(network="none")["flags"] & processes.CLONE_NEWNET


def test_parents_of_mount_points_come_before_them():
    skeleton = compiled(mounts=(Mount("/p", "/home/me/a b"),))["skeleton"]
    assert skeleton == ("/dev", "/home", "/home/me", "/proc", "/run", "/sys", "/tmp")


@given(own=st.integers(0, 200000), last=st.integers(2, 131072))
def test_swapping_is_a_permutation_that_keeps_all_other_ids(own, last):
    seen = {}
    for inside, outside, count in swapped(own, last):
        for offset in (0, count - 1):
            seen[inside + offset] = outside + offset
    assert seen[own] == 0
    covered = sorted((outside, count) for _, outside, count in swapped(own, last))
    assert sum(count for _, count in covered) == last + 1
    assert all(a + n == b for (a, n), (b, _) in pairwise(covered))
    inner = sorted((inside, count) for inside, _, count in swapped(own, last))
    assert all(a + n <= b for (a, n), (b, _) in pairwise(inner))
    if 0 < own <= last:
        assert seen[0] == own
