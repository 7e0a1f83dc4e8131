"""A faster xz decoder for hosts with an old one: Debian 12's liblzma takes 1.7 times as long as Debian 13's.

Debian 13's package of it (310 kB) is fetched by its SHA-256 beside the first archives, unpacked into the
store, and used if this host can load it. It changes no byte of a layer: without it the host's decodes.
"""

import errno
import os
from typing import Final

from envforge.archives import xz
from envforge.build.workers import Report
from envforge.config import Config
from envforge.errors import EnvforgeError
from envforge.sources.debian.deb.unpack import extract_plain
from envforge.sources.debian.layers import obtain
from envforge.sources.debian.model import LockedArchive, LockedPackage
from envforge.store.layout import Store
from envforge.store.staging import move_out

_WANTED: Final = (5, 8, 0)
_ARCHIVE: Final = LockedArchive("trixie", "trixie", "2026-11-21T09:15:44Z", "")
_PACKAGES: Final = {
    "amd64": LockedPackage(
        "liblzma5",
        "5.8.1-1+deb13u2",
        "amd64",
        "trixie",
        "pool/main/x/xz-utils/liblzma5_5.8.1-1+deb13u2_amd64.deb",
        309696,
        "b38acab30f295bf1066a6632e31cbd0a1980f2924b38040cda131d5dea5384ec",
    ),
}


def is_missing(store: Store, architecture: str) -> bool:
    """Return whether a faster decoder than the host's exists and is not in the store yet."""
    own = xz.library()
    return (
        architecture in _PACKAGES
        and (own is None or own.version < _WANTED)
        and not os.path.isdir(_directory(store, architecture))
    )


def fetch(_report: Report, _place: str, store: Store, config: Config, architecture: str) -> str:
    """Fetch the decoder's package; return its SHA-256, or "" if that fails: the host's decoder will do."""
    package = _PACKAGES[architecture]
    try:
        obtain.fetch(lambda _event: None, "", store, config, _ARCHIVE, package, package.name)
    except EnvforgeError:
        return ""
    return package.sha256


def unpack(_report: Report, place: str, store: Store, sha256: str) -> str:
    """Unpack the decoder's package into `place/tree`; return its SHA-256, or "" if it is broken."""
    try:
        extract_plain(store.blob(sha256), f"{place}/tree", sha256=sha256)
    except EnvforgeError:
        return ""
    return sha256


def publish(store: Store, directory: str, inside: str, sha256: str) -> None:
    """Move what `unpack` made into the store, unless another build was first."""
    if not sha256:
        return
    final = f"{store.path}/tools/{_name(sha256)}"
    try:
        move_out(directory, inside, final)
    except OSError as error:
        if error.errno not in {errno.ENOTEMPTY, errno.EEXIST}:
            raise


def _directory(store: Store, architecture: str) -> str:
    return f"{store.path}/tools/{_name(_PACKAGES[architecture].sha256)}"


def _name(sha256: str) -> str:
    return f"liblzma-{sha256[:16]}"
