"""Secrets of a container: read when it starts, handed to its supervisor, shown to its command as files.

    /run/secrets/<name>     on the sandbox's own tmpfs, readable by its user alone

The record names their sources only (`file:PATH` beneath the project, `variable:NAME` of whoever starts it).
What they hold is in the supervisor's memory and in the sandbox, and is written nowhere else.
"""

import marshal
import os
import stat

from envforge.containers.records import Container
from envforge.errors import SpecError
from envforge.sandbox import binds
from envforge.whole_file import write_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_BYTES = 1 << 16


def read(container: Container, host: "Mapping[str, str]") -> "dict[str, bytes]":
    """Return the container's secrets by name. Raises SpecError for one that cannot be read."""
    project = os.path.dirname(container.config["project"])
    return {
        one["name"]: _read(one["name"], one["source"], project, host) for one in container.config["secrets"]
    }


def handed_on(values: "dict[str, bytes]") -> int:
    """Return the descriptor of a file in memory with all of them, for the supervisor."""
    memory = os.memfd_create("secrets", os.MFD_CLOEXEC)
    write_all(memory, marshal.dumps(values))
    os.lseek(memory, 0, os.SEEK_SET)
    return memory


def _read(name: str, source: str, project: str, host: "Mapping[str, str]") -> bytes:
    kind, _, where = source.partition(":")
    if kind == "variable":
        if where not in host:
            raise SpecError(f"the secret {name}: the variable {where} is not set", hint=f"export {where}=…")
        return os.fsencode(host[where])
    try:
        return _content(name, binds.open_beneath(project, os.path.normpath(os.path.join(project, where))))
    except OSError as error:
        raise SpecError(
            f"the secret {name}: {where}: {error.strerror}", hint="it lies beside the spec"
        ) from error


def _content(name: str, place: int) -> bytes:
    try:
        if not stat.S_ISREG(os.fstat(place).st_mode):
            raise SpecError(f"the secret {name} is no regular file", hint="name one beside the spec")
        descriptor = os.open(f"/proc/self/fd/{place}", os.O_RDONLY | os.O_CLOEXEC)
        with open(descriptor, "rb", buffering=0) as file:
            data = file.read(MAX_BYTES + 1)
    finally:
        os.close(place)
    if len(data) > MAX_BYTES:
        raise SpecError(f"the secret {name} has more than {MAX_BYTES} bytes", hint="mount it with [[mounts]]")
    return data
