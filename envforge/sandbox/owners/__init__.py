"""Fakes file ownership for users with a single id: a seccomp supervisor, like fakeroot but exact.

Maintainer scripts run in a namespace that maps one id, under a seccomp filter that reports every call which
shows or changes an owner. The supervisor does what it can for real (with the one id, so that copy-up, times
and set-id bits are the kernel's own work), remembers the rest, and answers from memory when the program asks.
What a script writes is then the same for a plain user as for root. Not a security boundary: the namespace is.

Left as the kernel has it: another user than root may read every file (opening to read is not reported, for
its cost) and signal every process; SO_PEERCRED and /proc/PID/status name the one id; and a call that a signal
meets before the supervisor has it ends with EINTR where the signal's handler has no SA_RESTART.
"""

from envforge.sandbox.owners.model import Owner

__all__ = ["Owner"]
