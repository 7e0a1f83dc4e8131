"""The listener of a seccomp filter: receive a notification, answer it, hand over a descriptor.

See seccomp_unotify(2). Notifications and answers are bytearrays, with which `fcntl.ioctl` is quickest.
"""

import errno
from fcntl import ioctl
from struct import Struct

RECEIVE = 0xC0502100
SEND = 0xC0182101
_IS_WAITING = 0x40082102
_ADD_DESCRIPTOR = 0x40182103
_SET_FLAGS = 0x40082104
_SYNCHRONOUS = 1
_ADD_AND_SEND = 2

EMPTY = bytes(80)
"""struct seccomp_notif must come zeroed."""
unpack_notification = Struct("<QIIiIQ6Q").unpack_from
"""id, pid, flags; number, architecture, instruction pointer, six arguments."""
pack_answer = Struct("<QqiI").pack_into
"""id, value, error (negative errno), flags; 24 bytes."""
GO_ON = 1
"""Flag of an answer: the kernel does the call itself (SECCOMP_USER_NOTIF_FLAG_CONTINUE)."""
_pack_descriptor = Struct("<QIIII").pack
_pack_identifier = Struct("<Q").pack


def wake_synchronously(listener: int) -> None:
    """Let supervisor and program hand a processor to each other at once; a kernel before 6.6 cannot."""
    try:
        ioctl(listener, _SET_FLAGS, _SYNCHRONOUS)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise


def is_waiting(listener: int, identifier: int) -> bool:
    """Say if the program still waits for the answer, so that its pid cannot have been reused."""
    try:
        ioctl(listener, _IS_WAITING, _pack_identifier(identifier))
    except OSError:
        return False
    return True


def hand_over(listener: int, identifier: int, descriptor: int, *, flags: int) -> None:
    """Answer with a copy of `descriptor`; `flags`: O_CLOEXEC or 0. Nothing is answered after OSError."""
    ioctl(
        listener,
        _ADD_DESCRIPTOR,
        _pack_descriptor(identifier, _ADD_AND_SEND, descriptor, 0, flags),
    )
