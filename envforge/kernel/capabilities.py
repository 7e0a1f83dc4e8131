"""The capabilities that Docker gives by default (moby, oci/caps/defaults.go), by number (capabilities(7))."""

CHOWN = 0
DAC_OVERRIDE = 1
FOWNER = 3
FSETID = 4
KILL = 5
SETGID = 6
SETUID = 7
SETPCAP = 8
NET_BIND_SERVICE = 10
NET_ADMIN = 12  # not among the default ones
NET_RAW = 13
SYS_CHROOT = 18
SYS_PTRACE = 19  # likewise
SYS_ADMIN = 21  # likewise
MKNOD = 27
AUDIT_WRITE = 29
SETFCAP = 31

DEFAULT = (
    CHOWN,
    DAC_OVERRIDE,
    FOWNER,
    FSETID,
    KILL,
    SETGID,
    SETUID,
    SETPCAP,
    NET_BIND_SERVICE,
    NET_RAW,
    SYS_CHROOT,
    MKNOD,
    AUDIT_WRITE,
    SETFCAP,
)

FILES = (CHOWN, DAC_OVERRIDE, FOWNER, FSETID, SETFCAP)
"""Needed to write trees with their owners."""

BUILD = (*DEFAULT, NET_ADMIN, SYS_PTRACE, SYS_ADMIN)
"""Needed to run maintainer scripts over layers: to mount, and to bring up a loopback interface, too."""
