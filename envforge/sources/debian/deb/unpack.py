"""Unpacks one .deb into one tree of the store: data with /usr merged, control members, listing, facts.

    TARGET/root/      the data; {bin,sbin,lib,lib32,lib64,libx32}/x lies in usr/
    TARGET/control/   every control member but `control`, and dpkg's `list` with the names as shipped
    TARGET/listing    the tree's listing (store/listing.py), with the archive's owners

Nothing is ever written outside TARGET, whatever the archive says (see tree.py).
"""

import errno
import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from typing import Final

from attrs import frozen

from envforge.archives.bounds import ARCHIVE_MAX_BYTES, unpacked_max
from envforge.archives.tar import TarReader
from envforge.errors import ArchiveError, StoreFullError
from envforge.sources.debian.deb.archive import Layout, open_member, read_layout
from envforge.sources.debian.deb.tree import Tree
from envforge.sources.debian.dpkg import facts, policy
from envforge.store import blobs, listing, sealing

_CONTROL_MAX_BYTES: Final = 64 << 20
_SLACK_BYTES: Final = 64 << 20
_UNSIZED_BYTES: Final = 256 << 20
"""Limit without Installed-Size, which all of Debian's packages of more than 3 MB have."""
_SIZE_MAX_DIGITS: Final = 12
_NAME_ERRORS: Final = (errno.ENAMETOOLONG, errno.ELOOP, errno.EINVAL, errno.EILSEQ, errno.EMLINK)
_FULL_ERRORS: Final = (errno.ENOSPC, errno.EDQUOT)


@frozen
class ControlMember:
    """One file of the control archive."""

    data: bytes
    mode: int
    mtime: int


def unpack(archive: str, target: str, held: str, *, sha256: str) -> facts.Facts:
    """Verify the SHA-256 of `archive`, unpack it into the empty `target` and return its facts.

    `held` is how owners lie on disk: `flat` chowns nothing, else the caller must be uid 0 of a user namespace
    that maps all ids. Raises IntegrityError for other bytes, ArchiveError for a broken or hostile archive,
    StoreFullError if the disk is full; the caller removes the partial tree.
    """
    with _opened(archive, sha256) as (descriptor, layout):
        control = read_control(descriptor, layout)
        conffiles = facts.parse_conffiles(_data(control, "conffiles"))
        wanted = frozenset(os.fsencode(path) for path, _ in conffiles) if "md5sums" in control else None
        tree = Tree(os.fsencode(f"{target}/root"), owners=held != "flat", checksums=wanted)
        with closing(open_member(descriptor, layout.data)) as reader:
            tree.fill(TarReader(reader, limit_bytes=_limit(descriptor, control["control"].data)))
        tree.finish()
        _complete_control(control, tree)
        _write_control(f"{target}/control", control)
        _write_file(f"{target}/listing", listing.dump(tree.entries()), 0o644, tree.newest_mtime)
        sealing.seal(target, _files(control, tree))
        return _facts(sha256, control, conffiles, tree)


def _files(control: Mapping[str, ControlMember], tree: Tree) -> Iterator[bytes]:
    yield b"/listing"
    yield from (b"/control/" + os.fsencode(name) for name in control if name != "control")
    yield from (b"/root" + entry.path for entry in tree.entries() if entry.type == "f" and not entry.link)


def extract_plain(archive: str, target: str, *, sha256: str) -> facts.Facts:
    """Unpack the data alone into the directory `target`, which many packages share (a tool tree).

    No owners, no set-id bits, no listing; files that another package put there are replaced. Raises like
    `unpack`.
    """
    with _opened(archive, sha256) as (descriptor, layout):
        control = read_control(descriptor, layout)
        tree = Tree(os.fsencode(target), owners=False, checksums=frozenset(), plain=True)
        with closing(open_member(descriptor, layout.data)) as reader:
            tree.fill(TarReader(reader, limit_bytes=_limit(descriptor, control["control"].data)))
        return _facts(sha256, control, [], tree)


def control_of(archive: str, *, sha256: str) -> str:
    """Return the control paragraph of an archive. Raises IntegrityError, ArchiveError."""
    with _opened(archive, sha256) as (descriptor, layout):
        return read_control(descriptor, layout)["control"].data.decode("utf-8", "replace")


def _limit(descriptor: int, control: bytes) -> int:
    """Return how many bytes an archive may unpack to: twice its Installed-Size (in KiB) and some slack.

    A decompression bomb can claim any Installed-Size, so the archive's own size bounds it too.
    """
    most = min(ARCHIVE_MAX_BYTES, unpacked_max(os.fstat(descriptor).st_size))
    fields = facts.parse_paragraph(control.decode("utf-8", "surrogateescape"))
    said = next((value for name, value in fields.items() if name.lower() == "installed-size"), "")
    if said.isascii() and said.isdigit() and len(said) <= _SIZE_MAX_DIGITS:
        return min(most, 2 * int(said) * 1024 + _SLACK_BYTES)
    return min(most, _UNSIZED_BYTES)


def read_control(descriptor: int, layout: Layout) -> dict[str, ControlMember]:
    """Return the control archive's members by name, `control` among them. Raises ArchiveError."""
    members: dict[str, ControlMember] = {}
    total = 0
    with closing(open_member(descriptor, layout.control)) as reader:
        archive = TarReader(reader, limit_bytes=2 * _CONTROL_MAX_BYTES)
        for member in archive:
            name = os.fsdecode(member.name.removeprefix(b"./").rstrip(b"/"))
            if member.kind == "directory" and name in ("", "."):
                continue
            total += member.size
            if member.kind != "file" or not policy.MEMBER.allows(name) or name == "list" or name in members:
                raise ArchiveError(f"its control archive has the member {name!r} ({member.kind})")
            if total > _CONTROL_MAX_BYTES:
                raise ArchiveError(f"its control archive is larger than {_CONTROL_MAX_BYTES >> 20} MiB")
            data = b"".join(map(bytes, archive.content()))
            members[name] = ControlMember(data, member.mode & 0o755, member.mtime)
    if "control" not in members:
        raise ArchiveError("its control archive has no control file")
    return members


def _complete_control(control: dict[str, ControlMember], tree: Tree) -> None:
    """Add the members that dpkg itself makes when it unpacks: `list`, and `md5sums` if none are shipped."""
    names = b"".join(b"%s\n" % name for name in tree.names)
    control["list"] = ControlMember(names, 0o644, tree.newest_mtime)
    if "md5sums" not in control:
        sums = ((tree.checksums[name], name[1:]) for name in tree.names if name in tree.checksums)
        text = b"".join(b"%s  %s\n" % (checksum.encode(), name) for checksum, name in sums)
        control["md5sums"] = ControlMember(text, 0o644, tree.newest_mtime)


def _write_control(directory: str, control: Mapping[str, ControlMember]) -> None:
    os.mkdir(directory)
    os.chmod(directory, 0o755)  # noqa: S103  # layers link these files, for all to read
    for name, member in control.items():
        if name != "control":
            _write_file(f"{directory}/{name}", member.data, member.mode, member.mtime)
    os.utime(directory, (listing.DIRECTORY_MTIME, listing.DIRECTORY_MTIME))


def _write_file(path: str, data: bytes, mode: int, mtime: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with open(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fchmod(descriptor, mode)
        os.utime(descriptor, (mtime, mtime))


def _facts(
    sha256: str,
    control: Mapping[str, ControlMember],
    conffiles: Sequence[tuple[str, tuple[str, ...]]],
    tree: Tree,
) -> facts.Facts:
    checksums = {os.fsdecode(name): checksum for name, checksum in tree.checksums.items()}
    digests = {
        name: hashlib.sha256(member.data).hexdigest() for name, member in control.items() if name != "control"
    }
    return facts.make(
        sha256,
        {name: member.data for name, member in control.items()},
        digests,
        conffiles=tuple(facts.Conffile(path, checksums.get(path, ""), flags) for path, flags in conffiles),
        newest_mtime=tree.newest_mtime,
        files=tuple(os.fsdecode(name) for name in tree.names if name != b"/."),
        private_keys=tuple(map(os.fsdecode, tree.private_keys)),
    )


def _data(control: Mapping[str, ControlMember], name: str) -> bytes:
    return control[name].data if name in control else b""


@contextmanager
def _opened(archive: str, sha256: str) -> Iterator[tuple[int, Layout]]:
    """Open a .deb and verify its SHA-256; errors in its content are raised with its path.

    Nothing is parsed before it is hashed. Hashing takes 0.6 ms a MB, and leaves the file in the page cache.
    """
    descriptor = os.open(archive, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        blobs.check(descriptor, sha256, archive)
        yield descriptor, read_layout(descriptor)
    except ArchiveError as error:
        raise ArchiveError(f"{archive}: {error.message}", hint=error.hint) from error
    except OSError as error:
        raise _explained(archive, error) from error
    finally:
        os.close(descriptor)


def _explained(archive: str, error: OSError) -> Exception:
    if error.errno in _FULL_ERRORS:
        return StoreFullError(
            f"there is no space left to unpack {archive}", hint="free some space, or use --store DIR"
        )
    if error.errno in _NAME_ERRORS:
        return ArchiveError(f"{archive}: a file of it cannot be made: {error}")
    return error
