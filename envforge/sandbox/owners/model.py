"""The true owners that the supervisor gets for lower layers and returns for the upper one: plain data."""

from attrs import frozen


@frozen(slots=True)
class Owner:
    """The true attributes of a path of which `lstat` in the single-id namespace says otherwise."""

    uid: int = 0
    gid: int = 0
    mode: int | None = None
    """Permission bits, if they are not those of the file on disk."""
    type: str | None = None
    """`c` or `b` for a device, in whose place an empty regular file is on disk."""
    device: tuple[int, int] | None = None
    """Major and minor number of a device."""
    xattrs: tuple[tuple[bytes, bytes], ...] = ()
    """POSIX ACLs that name ids, as the kernel's xattr values with inside ids; sorted by name."""
