"""The handlers of trapped system calls, one module for each family.

A method bears a call's name and its parameters the names of the call's arguments: the man page (section 2) is
its documentation. It gets the process's pid first and all six arguments, whether the call has them or not.
"""

from envforge.sandbox.owners.calls.acl import AclCalls
from envforge.sandbox.owners.calls.chown import ChownCalls
from envforge.sandbox.owners.calls.identity import IdentityCalls
from envforge.sandbox.owners.calls.link import LinkCalls
from envforge.sandbox.owners.calls.make import MakeCalls
from envforge.sandbox.owners.calls.open import OpenCalls
from envforge.sandbox.owners.calls.permission import PermissionCalls
from envforge.sandbox.owners.calls.program import ProgramCalls
from envforge.sandbox.owners.calls.stat import StatCalls, stat_i386, stat_x86_64
from envforge.sandbox.owners.numbers import I386, TRAPPED, X86_64, numbers_of
from envforge.sandbox.owners.state.shared import Handler, SharedState


def handlers(state: SharedState) -> dict[int, dict[int, Handler]]:
    """Return the handler of each trapped call, by architecture and number."""
    families: list[object] = [
        ChownCalls(state),
        IdentityCalls(state),
        OpenCalls(state),
        MakeCalls(state),
        LinkCalls(state),
        PermissionCalls(state),
        AclCalls(state),
        ProgramCalls(state),
    ]
    return {
        X86_64: _numbered(X86_64, [StatCalls(state, stat_x86_64), *families]),
        I386: _numbered(I386, [StatCalls(state, stat_i386), *families]),
    }


def _numbered(architecture: int, families: list[object]) -> dict[int, Handler]:
    named = {name: _find(families, name) for name in TRAPPED}
    return {number: named[name] for name, number in numbers_of(architecture).items()}


def _find(families: list[object], name: str) -> Handler:
    for family in families:
        handler: Handler | None = getattr(family, name, None)
        if handler is not None:
            return handler
    raise LookupError(name)
