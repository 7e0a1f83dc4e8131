"""A container's sandbox plan: kept when it is made, performed again at each start. Loaded on the warm path.

It is as powerful as code, so it is believed only for its MAC (`sandbox/cache.py`).
"""

import os

from envforge.sandbox import cache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from envforge.containers.records import Container
    from envforge.sandbox.compiled import Plan


def keep(directory: str, identifier: str, plan: "Plan") -> None:
    """Write a container's plan, whole or not at all; it may take the place of another one."""
    data = cache.sealed(f"containers/{identifier}", {**plan, "relay": None})
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    new = f"{directory}/.plan-{os.urandom(6).hex()}"
    descriptor = os.open(new, flags, 0o600)
    try:
        while data:
            data = data[os.write(descriptor, data) :]
    finally:
        os.close(descriptor)
    os.rename(new, f"{directory}/plan")


def read(container: "Container") -> "Plan":
    """Return a container's plan. Raises ValueError for one that this user has not written, OSError."""
    with open(f"{container.directory}/plan", "rb", buffering=0) as file:
        return cache.unsealed(f"containers/{container.id}", file.read())  # type: ignore[no-any-return]


def known(container: "Container") -> "Plan":
    """Return a container's plan. Raises StoreError where it cannot be believed."""
    from envforge.errors import StoreError  # noqa: PLC0415  # not where one is started

    try:
        return read(container)
    except (OSError, ValueError) as error:
        raise StoreError(
            f"the plan of the container {container.name} was not written by you: {error}",
            hint=f"envforge rm -f {container.name}",
        ) from None


def change(container: "Container", plan: "Plan") -> None:
    """Write another plan of a container in place of its old one: what its next start performs."""
    from envforge import whole_file  # noqa: PLC0415  # the warm path only makes plans

    data = cache.sealed(f"containers/{container.id}", {**plan, "relay": None})
    whole_file.write(f"{container.directory}/plan", data)
