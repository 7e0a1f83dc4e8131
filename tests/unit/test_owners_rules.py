"""Users, groups, capabilities and ACLs as the kernel computes them: pure functions."""

import pytest

from envforge.kernel import capabilities
from envforge.sandbox.owners.calls.chown import may_chown
from envforge.sandbox.owners.calls.identity import set_all, set_one, set_real_effective
from envforge.sandbox.owners.calls.open import wanted_access
from envforge.sandbox.owners.state import posix_acl
from envforge.sandbox.owners.state.identities import ALL_CAPABILITIES, ROOT, Identity, after_exec, with_uids

NO_ID = 0xFFFFFFFF
OTHER = Identity(uids=(6, 6, 6, 6), gids=(12, 12, 12, 12), groups=(8,), permitted=0, effective=0)


def test_setuid_of_the_privileged_and_of_others():
    assert set_one((0, 0, 0, 0), 6, privileged=True) == (6, 6, 6, 6)
    assert set_one((6, 7, 8, 7), 8, privileged=False) == (6, 8, 8, 8)
    assert set_one((6, 7, 8, 7), 7, privileged=False) is None


@pytest.mark.parametrize(
    ("real", "effective", "after"),
    [
        (NO_ID, NO_ID, (6, 7, 8, 7)),
        (NO_ID, 8, (6, 8, 8, 8)),
        (NO_ID, 6, (6, 6, 8, 6)),
        (7, NO_ID, (7, 7, 7, 7)),
        (7, 6, (7, 6, 6, 6)),
        (8, NO_ID, None),
        (NO_ID, 9, None),
    ],
)
def test_setreuid_of_the_unprivileged(real, effective, after):
    assert set_real_effective((6, 7, 8, 7), real, effective, privileged=False) == after


def test_setresuid():
    assert set_all((6, 7, 8, 7), (NO_ID, 6, 7), privileged=False) == (6, 6, 7, 6)
    assert set_all((6, 7, 8, 7), (NO_ID, NO_ID, 9), privileged=False) is None
    assert set_all((6, 7, 8, 7), (1, NO_ID, 9), privileged=True) == (1, 7, 9, 7)


def test_capabilities_follow_the_users():
    gone = with_uids(ROOT, (6, 6, 6, 6))
    assert (gone.permitted, gone.effective) == (0, 0)
    lent = with_uids(ROOT, (0, 6, 0, 6))
    assert (lent.permitted, lent.effective) == (ALL_CAPABILITIES, 0)
    assert with_uids(lent, (0, 0, 0, 0)) == ROOT
    kept = with_uids(Identity(keeps=True), (6, 6, 6, 6))
    assert (kept.permitted, kept.effective) == (ALL_CAPABILITIES, 0)
    fixed = with_uids(Identity(no_fixup=True), (6, 6, 6, 6))
    assert fixed.effective == ALL_CAPABILITIES


def test_exec_of_set_id_programs():
    assert after_exec(OTHER, set_uid=None, set_gid=None) == OTHER
    up = after_exec(OTHER, set_uid=0, set_gid=None)
    assert (up.uids, up.effective) == ((6, 0, 0, 0), ALL_CAPABILITIES)
    down = after_exec(ROOT, set_uid=6, set_gid=12)
    assert (down.uids, down.gids) == ((0, 6, 6, 6), (0, 12, 12, 12))
    assert (down.permitted, down.effective) == (ALL_CAPABILITIES, 0)


def test_permission_by_owner_group_and_others():
    assert OTHER.may(4, 0o400, 6, 0)
    assert not OTHER.may(4, 0o044, 6, 0)
    assert OTHER.may(6, 0o060, 0, 8)
    assert not OTHER.may(4, 0o404, 0, 12)
    assert OTHER.may(1, 0o001, 0, 0)
    assert ROOT.may(7, 0, 6, 6)


def test_who_may_chown():
    assert may_chown(ROOT, (6, 6), (7, 7))
    assert may_chown(OTHER, (6, 12), (NO_ID, 8))
    assert may_chown(OTHER, (6, 12), (6, 12))
    assert not may_chown(OTHER, (6, 12), (7, NO_ID))
    assert not may_chown(OTHER, (6, 12), (NO_ID, 9))
    assert not may_chown(OTHER, (0, 8), (NO_ID, 8))
    assert sum(1 << number for number in capabilities.DEFAULT) == ALL_CAPABILITIES


def test_access_that_open_wants():
    assert [wanted_access(flags) for flags in (0, 1, 2, 0o1000)] == [4, 2, 6, 6]


def test_acl_round_trip_mode_and_mask():
    entries = [(1, 7, NO_ID), (4, 5, NO_ID), (8, 5, 4), (16, 5, NO_ID), (32, 0, NO_ID)]
    value = posix_acl.dump(entries)
    assert posix_acl.parse(value) == entries
    assert posix_acl.is_valid(entries)
    assert posix_acl.names_ids(entries)
    assert posix_acl.mode_of(entries) == 0o750
    assert posix_acl.mode_of(posix_acl.parse(posix_acl.masked(value, 0o640))) == 0o640
    assert posix_acl.mode_of(posix_acl.parse(posix_acl.with_mode(value, 0o711))) == 0o711


@pytest.mark.parametrize("kinds", [(1, 4), (1, 2, 4, 32), (4, 1, 32), (1, 4, 4, 32), (1, 4, 32, 16), ()])
def test_acls_that_the_kernel_refuses(kinds):
    assert not posix_acl.is_valid([(kind, 7, 5) for kind in kinds])


@pytest.mark.parametrize("value", [b"", b"\1\0\0\0", b"\2\0\0\0\1"])
def test_bytes_that_are_no_acl(value):
    assert posix_acl.parse(value) is None
