"""Every failure that a user can act on: one class and one exit code per kind.

Libraries raise these; only `cli/` prints them and exits. Anything else that reaches `main()` is a bug.
Containers' commands and supervisors raise them on the warm path, so this imports `os` only.
"""

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


class EnvforgeError(Exception):
    """A failure with a message that names the thing, and a hint: one command or edit that helps."""

    exit_code = 10

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle the hint too: errors cross from worker processes."""
        return (_rebuild, (type(self), self.message, self.hint))


def _rebuild(kind: type[EnvforgeError], message: str, hint: str) -> EnvforgeError:
    return kind(message, hint=hint)


class UsageError(EnvforgeError):
    """The command line cannot be understood."""

    exit_code = 2


class SpecError(EnvforgeError):
    """The spec is missing, unreadable or invalid."""

    exit_code = 11


class LockError(EnvforgeError):
    """The lock is unreadable, of another format, or has merge markers."""

    exit_code = 12


class LockStaleError(EnvforgeError):
    """The lock is missing or does not fit its spec, and may not be changed now."""

    exit_code = 13


class ResolveError(EnvforgeError):
    """Packages that do not exist, or cannot be installed together."""

    exit_code = 14


class NetworkError(EnvforgeError):
    """A mirror cannot be reached, stopped in the middle, or does not have the file."""

    exit_code = 15


class SignatureError(EnvforgeError):
    """A package index that is unsigned, badly signed, expired, or older than the one that the lock saw."""

    exit_code = 16


class IntegrityError(EnvforgeError):
    """Bytes that do not have the promised size or SHA-256."""

    exit_code = 17


class ArchiveError(EnvforgeError):
    """An archive that is broken, truncated or hostile."""

    exit_code = 18


class StoreError(EnvforgeError):
    """The store cannot be used: foreign owner, read-only, another format, unsuitable file system."""

    exit_code = 19


class StoreFullError(StoreError):
    """No space, no quota or no inodes left where the store is."""

    exit_code = 20


class SandboxError(EnvforgeError):
    """The sandbox cannot be set up because of its plan, or of files that the plan names."""

    exit_code = 21


class CapabilityError(SandboxError):
    """The system refuses something the sandbox needs (user namespaces, overlay, id ranges)."""

    exit_code = 22


class BuildError(EnvforgeError):
    """A layer cannot be built: a package's script failed, or a private key would enter the layer."""

    exit_code = 23


class OutputError(EnvforgeError):
    """A build's digests differ from the lock's outputs, or two builds differ."""

    exit_code = 24


class ConfigError(EnvforgeError):
    """The user's own configuration file is wrong."""

    exit_code = 25


class ConsentError(EnvforgeError):
    """The spec reaches beyond its project, and nobody has allowed that."""

    exit_code = 27


class OwnerError(EnvforgeError):
    """A spec, its lock or their directory belongs to somebody else, or can be changed by others."""

    exit_code = 28


class NotFoundError(EnvforgeError):
    """A named environment, package or file of the store does not exist."""

    exit_code = 26


class AmbiguousError(EnvforgeError):
    """A name or the beginning of a digest means several things."""

    exit_code = 29


class InUseError(EnvforgeError):
    """Something is being used, or changed, by another process."""

    exit_code = 30


class LocalEditsError(EnvforgeError):
    """Spec or lock was edited since it was built, and going back would replace it."""

    exit_code = 31


class TerminalError(EnvforgeError):
    """There is no terminal to draw on, or what draws cannot be loaded."""

    exit_code = 33


class ConflictError(EnvforgeError):
    """A container's name, or a port that it wants, is taken; or it is in a state that does not allow this."""

    exit_code = 34


class PortError(EnvforgeError):
    """A port cannot be published: the system does not allow it, or has no such address."""

    exit_code = 37


class LimitError(EnvforgeError):
    """A limit cannot be enforced on this machine, or for this user."""

    exit_code = 35


class UnhealthyError(EnvforgeError):
    """A service ended or is unhealthy while others wait for it, or it cannot be started."""

    exit_code = 36


class DamagedError(IntegrityError):
    """Something in the store is not as it was when it was made; `fsck --repair` makes it again."""

    exit_code = 32


def outcome(function: "Callable[..., object]", *arguments: "Any") -> "tuple[str, Any]":
    """Call a function; return ("value", its result), or the kind and the arguments of what it raised.

    Plain values that fit into JSON: a confined child is not trusted, and a pickle of its making could run
    code. `from_plain` makes an exception of them again.
    """
    try:
        return "value", function(*arguments)
    except EnvforgeError as error:
        return type(error).__name__, [error.message, error.hint]
    except OSError as error:
        name = error.filename
        path = os.fsdecode(name) if isinstance(name, str | bytes) else None
        return "OSError", [error.errno, error.strerror, path]
    except BaseException:  # noqa: BLE001  # whatever it is, it goes to the parent with its traceback
        import traceback  # noqa: PLC0415  # for a bug only

        return "crash", traceback.format_exc()


def from_plain(kind: str, value: "Any") -> Exception | None:
    """Return the exception that `outcome` described, None for a crash."""
    if kind == "OSError":
        number, reason, path = value
        return OSError(number, str(reason), path)
    known = {one.__name__: one for one in _all_kinds(EnvforgeError)}
    if kind in known:
        message, hint = map(str, value)
        return known[kind](message, hint=hint)
    return None


def _all_kinds(kind: type[EnvforgeError]) -> list[type[EnvforgeError]]:
    return [kind, *(below for one in kind.__subclasses__() for below in _all_kinds(one))]
