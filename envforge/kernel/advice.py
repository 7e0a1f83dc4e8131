"""Turns errno into advice for namespaces, id maps and mounts: why the kernel refused, and what helps."""

import errno
import os

from envforge.errors import CapabilityError, EnvforgeError, SandboxError, StoreFullError

_SYSCTLS = (
    # name, the value that forbids user namespaces, the value that allows them
    ("kernel.apparmor_restrict_unprivileged_userns", "1", "0"),
    ("kernel.unprivileged_userns_clone", "0", "1"),
    ("user.max_user_namespaces", "0", "65536"),
)


def read_sysctl(name: str) -> str | None:
    """Return the value of a sysctl, None if this kernel does not have it."""
    try:
        with open("/proc/sys/" + name.replace(".", "/"), encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return None


def refused_by_sysctl() -> tuple[str, str] | None:
    """Return the sysctl that forbids user namespaces here and the value that allows them, or None."""
    for name, refusing, mending in _SYSCTLS:
        if read_sysctl(name) == refusing and not (name.startswith("kernel.") and os.geteuid() == 0):
            return name, mending
    return None


def no_user_namespace(error: OSError) -> CapabilityError:
    """Explain why a user namespace could not be made."""
    culprit = refused_by_sysctl()
    if culprit:
        name, value = culprit
        return CapabilityError(
            f"user namespaces are refused here: {name} = {read_sysctl(name)}",
            hint=f"sudo sysctl -w {name}={value}   (to keep it: a line in /etc/sysctl.d/)",
        )
    if error.errno in (errno.ENOSPC, errno.EUSERS):
        return CapabilityError(
            f"no more user namespaces may be made: {error.strerror} (user.max_user_namespaces = "
            f"{read_sysctl('user.max_user_namespaces')})",
            hint="sudo sysctl -w user.max_user_namespaces=65536",
        )
    if error.errno in (errno.EPERM, errno.EACCES):
        return CapabilityError(
            f"user namespaces are refused here ({error.strerror}), and no sysctl says so: "
            "an outer container's seccomp profile or a security module does",
            hint="docker run --security-opt seccomp=unconfined --security-opt systempaths=unconfined",
        )
    if error.errno in (errno.EINVAL, errno.ENOSYS):
        return CapabilityError(
            f"this kernel ({os.uname().release}) has no user namespaces: {error.strerror}",
            hint="use a kernel with CONFIG_USER_NS=y",
        )
    return CapabilityError(f"no user namespace can be made: {error.strerror}", hint="envforge doctor")


def no_id_map(tool: str, said: str) -> CapabilityError:
    """Explain why a subordinate range could not be mapped; `said` is what newuidmap wrote."""
    return CapabilityError(
        f"{tool} could not map the subordinate ids: {said.strip() or 'no reason given'}",
        hint="sudo apt-get install --reinstall uidmap   (newuidmap and newgidmap must be set-id root), "
        "and no_new_privs must not be set on this process",
    )


def no_mount(error: OSError, what: str) -> EnvforgeError:
    """Explain why a step of setting up a sandbox failed; `what` names the step and its path."""
    if error.errno in (errno.EPERM, errno.EACCES) and refused_by_sysctl():
        return no_user_namespace(error)  # Ubuntu: namespaces can be made, but give no capabilities
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StoreFullError(f"{what}: {error.strerror}", hint="free some space, or use --store DIR")
    if error.errno == errno.ENOSYS:
        return CapabilityError(
            f"this kernel ({os.uname().release}) lacks a system call that {what} takes",
            hint="use Linux 5.12 or later",
        )
    if what.startswith("overlay"):
        return _no_overlay(error, what)
    place = f" ({error.filename})" if error.filename else ""
    hint = "make it, or say `optional = true` for it" if error.errno == errno.ENOENT else "envforge doctor"
    return SandboxError(f"{what}: {error.strerror}{place}", hint=hint)


def _no_overlay(error: OSError, what: str) -> EnvforgeError:
    if error.errno == errno.ENODEV:
        return CapabilityError("this kernel has no overlay file system", hint="sudo modprobe overlay")
    if error.errno == errno.EPERM:
        return CapabilityError(
            f"this kernel ({os.uname().release}) refuses overlay in user namespaces; 5.12 and later allow it",
            hint="use a newer kernel",
        )
    if error.errno == errno.ENOENT:
        return SandboxError(f"{what}: a layer is missing", hint="envforge build")
    if error.errno in (errno.EINVAL, errno.EOPNOTSUPP):
        return CapabilityError(
            f"{what}: the file system of the store cannot carry overlay "
            "(network file systems, eCryptfs and overlay itself cannot)",
            hint="put the store on a local disk: --store DIR or XDG_DATA_HOME",
        )
    return SandboxError(f"{what}: {error.strerror}", hint="envforge doctor")
