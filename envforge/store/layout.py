"""The layout of a store on disk, and opening one. `store/README.md` draws the same tree for users.

    STORE/                         0700, owned by one user
      format                       "envforge-store 1"
      lock                         flock: shared while in use, exclusive for `store destroy`
      blobs/<aa>/<sha256>          files as fetched (archives, indexes), 0444
      facts/<sha256>.json          what recipes must know of an archive
      trees/<held>/<sha256>/       one unpacked archive: root/ control/ listing
      layers/<held>/<digest>/      one layer: root/ listing
      records/<key>.json           build record: recipe, digest
      environments/<digest>.json   layers and runtime part
      environments/<digest>.lock   flocked while entered, never replaced
      roots/<name>                 a project's generations: garbage collection keeps their environments
      pins/<name>.json             environments that somebody wants kept
      tools/<key>/                 tool trees (apt for the resolver), plain data
      uppers/<id>/                 upper and work directories of running sandboxes
      locks/<name>                 flocked while what it names is being made or changed
      holds/<id>                   names that a running build relies on, locked by it
      unsynced/<mark>              builds whose bytes may not be on the disk yet
      partial/<name>               partly fetched blobs; flocked while one process writes it
      containers/<id>/             what a container is, how it is, its log (`containers/records.py`)
      containers/names/<name>      a symbolic link to the id
      volumes/<name>/              a named volume (`containers/volumes/named.py`)
      upkeep/sizes.json            the space that layers and trees take; measured again where it is missing
      staging/                     work in progress; never read
      trash/<random>               what is to be deleted; never read
      trash/gc-<time>-<random>/    what a garbage collection took, by its path in the store, for some hours

`<held>` is the ownership mode: `true` (real ids), `range-<uid>-<gid>` (inside 0 is the store's owner, inside
n is first + n - 1), `flat` (every file is the store's owner's; only the listing has the true owners). The
mode is part of the path of trees and layers, so modes never mix.
"""

import errno
import os
from typing import Final

from envforge import whole_file
from envforge.digest import is_sha256
from envforge.errors import StoreError, StoreFullError
from envforge.values import frozen

FORMAT: Final = 1
HEADER_NAME: Final = "format"
LOCK_NAME: Final = "lock"
_HEADER: Final = f"envforge-store {FORMAT}\n"
DIRECTORIES: Final = (
    "blobs",
    "facts",
    "trees",
    "layers",
    "records",
    "environments",
    "roots",
    "pins",
    "tools",
    "uppers",
    "staging",
    "trash",
    "partial",
    "locks",
    "holds",
    "unsynced",
    "upkeep",
    "containers",
    "volumes",
)


@frozen
class Store:
    """The paths of one store. Make one with `open_store`.

    A digest or key that is no SHA-256 never becomes part of a path: StoreError.
    """

    path: str

    def blob(self, sha256: str) -> str:
        """Return the path of a blob."""
        return f"{self.path}/blobs/{_checked(sha256)[:2]}/{sha256}"

    def facts(self, sha256: str) -> str:
        """Return the path of an archive's facts."""
        return f"{self.path}/facts/{_checked(sha256)}.json"

    def tree(self, held: str, sha256: str) -> str:
        """Return the directory of an unpacked archive."""
        return f"{self.path}/trees/{held}/{_checked(sha256)}"

    def layer(self, held: str, digest: str) -> str:
        """Return the directory of a layer."""
        return f"{self.path}/layers/{held}/{_checked(digest)}"

    def record(self, key: str) -> str:
        """Return the path of a build record."""
        return f"{self.path}/records/{_checked(key)}.json"

    def environment(self, digest: str) -> str:
        """Return the path of an environment's description."""
        return f"{self.path}/environments/{_checked(digest)}.json"

    def environment_lock(self, digest: str) -> str:
        """Return the file that is flocked (shared) while an environment is in use; mtime: last entered."""
        return f"{self.path}/environments/{_checked(digest)}.lock"

    def new_trash(self) -> str:
        """Return an unused path under trash/, as the target of a rename."""
        return f"{self.path}/trash/{os.getpid()}-{os.urandom(6).hex()}"


def _checked(name: str) -> str:
    if is_sha256(name):
        return name
    raise StoreError(
        f"{name!r} stands where a SHA-256 must: a file of the store was altered",
        hint="envforge build --rebuild",
    )


def open_store(path: str) -> Store:
    """Return the store at `path`, created if it does not exist.

    Raises StoreError if it is another user's, read-only, of another format, or not a store at all.
    """
    path = os.path.realpath(path)
    try:
        os.makedirs(path, 0o700, exist_ok=True)
        _check_owner(path)
        _check_format(path)
        os.chmod(path, 0o700)
        for name in DIRECTORIES:
            os.makedirs(f"{path}/{name}", 0o755, exist_ok=True)
    except OSError as error:
        raise _explain(path, error) from error
    return Store(path)


def _check_owner(path: str) -> None:
    owner = os.stat(path).st_uid
    if owner != os.geteuid():
        raise StoreError(
            f"the store {path} belongs to uid {owner}, you are uid {os.geteuid()}",
            hint="use a store of your own: --store DIR or XDG_DATA_HOME",
        )


def _check_format(path: str) -> None:
    name = f"{path}/{HEADER_NAME}"
    try:
        with open(name, encoding="utf-8", errors="replace") as file:  # ascii's codec takes a file to load
            header = file.read(100)
    except FileNotFoundError:
        if not all(map(_is_ours, os.listdir(path))):
            raise StoreError(
                f"{path} is a directory with other things in it, not a store",
                hint="name an empty or a new directory with --store",
            ) from None
        whole_file.write(name, _HEADER.encode(), mode=0o644)
        return
    if header != _HEADER:
        raise StoreError(
            f"the store {path} has the format {header.strip()!r}, this release reads {_HEADER.strip()!r}",
            hint="use the release that made it, or another --store",
        )


def _is_ours(name: str) -> bool:
    """Say whether a store has an entry of that name, be it the temporary one of a process creating it."""
    return name in {*DIRECTORIES, LOCK_NAME, HEADER_NAME} or name.startswith(".format.")


def _explain(path: str, error: OSError) -> StoreError:
    hints = {
        errno.EROFS: "the file system is mounted read-only; name another place with --store DIR",
        errno.EACCES: "name a directory of your own with --store DIR",
        errno.EPERM: "name a directory of your own with --store DIR",
        errno.ENOSPC: "free some space, or name another place with --store DIR",
    }
    kind = StoreFullError if error.errno in {errno.ENOSPC, errno.EDQUOT} else StoreError
    return kind(
        f"the store {path} cannot be used: {error.strerror}",
        hint=hints.get(error.errno or 0, "envforge doctor"),
    )
