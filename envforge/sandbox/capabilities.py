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
NET_RAW = 13
SYS_CHROOT = 18
SYS_ADMIN = 21  # not among the default ones
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
