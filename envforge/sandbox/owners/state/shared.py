"""The state that all handlers share, and their two results that are neither a value nor an error."""

from collections.abc import Callable

from attrs import define, field

from envforge.kernel import capabilities
from envforge.sandbox.owners import kernel
from envforge.sandbox.owners.kernel import AT_SYMLINK_NOFOLLOW
from envforge.sandbox.owners.state.attributes import Attributes, Owned
from envforge.sandbox.owners.state.identities import Identities, Identity
from envforge.sandbox.owners.state.names import Names, Place, parent_of

CONTINUE = 1 << 48
"""The kernel shall do the call itself."""
ANSWERED = CONTINUE + 1
"""The program has its answer already."""
NO_ID = 0xFFFFFFFF
"""(uid_t)-1: leave as it is."""

Handler = Callable[..., int]
"""handler(pid, *six arguments) returns a value, a negative errno, CONTINUE or ANSWERED, or raises OSError."""

Status = tuple[int, int, int]
"""A file's true mode with its type, user and group."""


@define(slots=True)
class SharedState:
    """The supervisor's knowledge, and the notification that is being answered."""

    listener: int
    names: Names
    attributes: Attributes
    identities: Identities = field(factory=Identities)
    identifier: int = 0
    """The id of the notification that is being answered."""

    def status(self, place: Place, *, follow: bool = True) -> Status | None:
        """Look at a file and return its true status; None if it cannot be seen."""
        if not kernel.look(*place, 0 if follow else AT_SYMLINK_NOFOLLOW):
            return None
        return self.seen()

    def seen(self) -> Status:
        """Return the true status of the file last looked at."""
        mode = kernel.links_and_mode()[1]
        owned = self.attributes.find()
        if owned is None:
            return mode, 0, 0
        return (owned.kind | mode & 0o7777) if owned.kind else mode, owned.uid, owned.gid

    def owned(self, place: Place, *, follow: bool = True) -> Owned | None:
        """Look at a file and return its entry, if it has one."""
        if not kernel.look(*place, 0 if follow else AT_SYMLINK_NOFOLLOW):
            return None
        return self.attributes.find()

    def may_enter_names(self, identity: Identity, place: Place) -> bool:
        """Say if the identity may make or remove names in the directory of `place`."""
        if identity.can(capabilities.DAC_OVERRIDE):
            return True
        directory = self.status(parent_of(place))
        return directory is None or identity.may(3, *directory)
