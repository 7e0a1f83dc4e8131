"""What the supervisor is told of lower layers and tells of the upper one: plain data."""

from attrs import frozen


@frozen(slots=True)
class Owner:
    """What is true of a path although `lstat` in the single-id namespace says otherwise."""

    uid: int = 0
    gid: int = 0
    mode: int | None = None
    """Permission bits, only where they are not those of the file that stands for it."""
    type: str | None = None
    """`c` or `b` for a device, whose place an empty regular file holds."""
    device: tuple[int, int] | None = None
    """Major and minor number of a device."""
    xattrs: tuple[tuple[bytes, bytes], ...] = ()
    """POSIX ACLs that name ids, as the kernel's xattr values with inside ids; sorted by name."""
