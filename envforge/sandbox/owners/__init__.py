"""Fakes file ownership for users with a single id: a seccomp supervisor, like fakeroot but exact.

Maintainer scripts run in a namespace that maps one id, under a seccomp filter that notifies the supervisor of
every call which shows or changes an owner. The supervisor does what it can for real (with the one id, so that
copy-up, times and set-id bits are the kernel's own work), remembers the rest, and answers later questions
from memory. So scripts write the same for a plain user as for root. The security boundary is the namespace,
not this.

Not faked: users other than root may read every file (opening to read is not reported, for its cost) and
signal every process; SO_PEERCRED and /proc/PID/status name the one id; and a signal that arrives before the
supervisor has received the call ends it with EINTR, if the signal's handler has no SA_RESTART.
"""

from envforge.sandbox.owners.model import Owner

__all__ = ["Owner"]
