"""Makes .deb files for tests: honest ones and hostile ones, member by member."""

import hashlib
import io
import tarfile
from pathlib import Path


def ar(*members: tuple[str, bytes]) -> bytes:
    parts = [b"!<arch>\n"]
    for name, data in members:
        header = f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(data):<10}`\n"
        parts.append(header.encode() + data + b"\n" * (len(data) % 2))
    return b"".join(parts)


def member(name, content=None, **attributes):
    """A tarfile member: a file when `content` is given, else a directory; attributes override."""
    info = tarfile.TarInfo(name)
    info.type = tarfile.DIRTYPE if content is None else tarfile.REGTYPE
    info.mode = 0o755 if content is None else 0o644
    info.mtime = 1_600_000_000
    info.size = len(content or b"")
    for key, value in attributes.items():
        setattr(info, key, value)
    return info, content or b""


def symlink(name, target):
    return member(name, type=tarfile.SYMTYPE, linkname=target, mode=0o777)


def hardlink(name, target):
    return member(name, type=tarfile.LNKTYPE, linkname=target)


def tar(*members, mode="w", format=tarfile.GNU_FORMAT):  # noqa: A002  # tarfile's own word
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode=mode, format=format) as archive:
        for info, content in members:
            archive.addfile(info, io.BytesIO(content))
    return file.getvalue()


CONTROL = b"Package: hello\nVersion: 1.0\nArchitecture: all\nMaintainer: A <a@b>\nDescription: greets\n"


def control_tar(control=CONTROL, mode="w:xz", **members):
    files = [member("./"), member("./control", control)]
    for name, content in members.items():
        executable = name in ("preinst", "postinst", "prerm", "postrm", "config")
        files.append(member(f"./{name}", content, mode=0o755 if executable else 0o644))
    return tar(*files, mode=mode)


def deb(*members, control=None, mode="w:xz", ending=".xz", data=None, **control_members):
    """The bytes of a .deb whose data archive holds `members` (or is `data` itself)."""
    return ar(
        ("debian-binary", b"2.0\n"),
        ("control.tar.xz", control if control is not None else control_tar(**control_members)),
        (f"data.tar{ending}", data if data is not None else tar(*members, mode=mode)),
    )


def digest(archive):
    """The SHA-256 of a file."""
    return hashlib.sha256(Path(archive).read_bytes()).hexdigest()
