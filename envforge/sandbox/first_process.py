"""PID 1 of a sandbox, from its clone to its final wait; and its handshake with its parent.

P is the parent, C is PID 1, D the payload. C maps ids (or P does, if that takes newuidmap or root's idmapped
mounts), mounts, changes root, and clones D. D waits until C has hardened itself: no capability but CAP_KILL,
no descriptor of the host's but locks on plain files, nothing that can be read or traced. Loaded on the warm
path: it imports next to nothing.
"""

import os
import sys

from envforge.kernel import init, processes, syscalls
from envforge.sandbox import binds, masks, mounts, streams
from envforge.sandbox.payload import Payload, RefusedError, make_runtime, map_ids, say, show_bug, start

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

    from envforge.sandbox import uppers
    from envforge.sandbox.compiled import Plan

FAILED = 125
_SIGKILL = 9
_KILL = 5  # the capability


def lend_terminal(payload: Payload) -> "Callable[[], None]":
    """Have a shell lead on the terminal that stdin is, if that is ours; return what takes it back."""
    if not os.isatty(0):
        return _nothing
    from envforge.sandbox.relays import foreground  # noqa: PLC0415  # only on a terminal

    if not foreground.is_ours():
        return _nothing
    if foreground.is_wanted_by(payload.command):
        payload.adopt = foreground.lead
    return foreground.take_back


def _nothing() -> None:
    """Do nothing: there is no terminal to take back."""


class Channel:
    """The handshake of P and C: P maps C's ids and lets it go on, C opens what it has to mount."""

    def __init__(self, given: "streams.Streams") -> None:
        self.given = given
        self.go_read, self.go_write = os.pipe()
        self.console = -1
        self.masks: list[masks.Mask] = []

    def let_in(self, plan: "Plan", upper: "uppers.Upper", child: int) -> None:  # noqa: ARG002  # see MappedChannel
        """In P: map the child's ids if it cannot do so itself, then let it go on."""
        os.close(self.go_read)
        self.go_read = -1
        if plan["mapping"] == "tools":
            map_by_tools(plan, child)
        elif plan["mapping"] == "parent":
            _map(child, plan)
        try:
            os.write(self.go_write, b"go")
        except BrokenPipeError as error:
            raise RefusedError("the first process", error) from None
        finally:
            os.close(self.go_write)
            self.go_write = -1

    def connect(self) -> int:
        """In P, once the payload runs: return the pid of its terminal's relay, 0 if it has none."""
        return 0

    def close(self) -> None:
        """In P: close what is still open, however it went."""
        for descriptor in (self.go_read, self.go_write):
            if descriptor >= 0:
                os.close(descriptor)

    def wait(self, plan: "Plan") -> "list[binds.Source] | None":
        """In C: open the sources to be bound, wait until the ids are mapped; return None if P is gone."""
        os.close(self.go_write)
        if plan["mapping"] == "self":
            map_ids("self", plan["uid_map"], plan["gid_map"], deny_groups=True)
        self.console = mounts.open_console()
        sources = binds.open_sources(plan)  # while newuidmap is at work
        self.masks = masks.find([source.path for source in sources], plan["private"])
        return sources if os.read(self.go_read, 2) == b"go" else None

    def make_console(self, plan: "Plan") -> "Callable[[], None] | None":  # noqa: ARG002
        """In C: make /dev/console; return a function by which the payload adopts its own terminal, if any."""
        if self.console >= 0:
            mounts.attach_console(self.console)
        return None

    def mount_overlay(self, plan: "Plan", upper: "uppers.Upper", sources: "list[binds.Source]") -> None:
        """In C: mount the overlay, by relative names: special characters in the store's path do no harm."""
        os.chdir(plan["layers_directory"])
        mounts.make_scratch(plan["skeleton"])
        binds.make_points(sources)
        place = f"{plan['uppers_relative']}/{upper.name}"
        options = mounts.overlay_options(
            plan["layers"], f"{place}/upper", f"{place}/work", volatile=not upper.kept
        )
        mounts.mount_overlay(options, no_set_id=plan["no_new_privileges"])


def open_network(pid: int) -> "tuple[int, int]":
    """Open the user and network namespaces of a C that waits to be let in: later it cannot be looked into."""
    opened: list[int] = []
    try:
        for kind in ("user", "net"):
            opened.append(os.open(f"/proc/{pid}/ns/{kind}", os.O_RDONLY | os.O_CLOEXEC))  # noqa: PERF401
    except OSError as error:
        for descriptor in opened:
            os.close(descriptor)
        raise RefusedError("its private network", error) from None
    return opened[0], opened[1]


def read_report(descriptor: int) -> None:
    """Wait until the payload's exec has closed the pipe; raises RefusedError if a step failed before."""
    data = b""
    while piece := os.read(descriptor, 4096):
        data += piece
    if data:
        raise RefusedError.from_bytes(data)


def _map(child: int, plan: "Plan") -> None:
    try:
        map_ids(str(child), plan["uid_map"], plan["gid_map"])
    except OSError as error:
        raise RefusedError("the id map", error) from None


def map_by_tools(plan: "Plan", child: int) -> None:
    """Map the ids of a process's user namespace by newuidmap and newgidmap. Raises RefusedError."""
    running = []
    for tool, lines in zip(plan["tools"], (plan["uid_map"], plan["gid_map"]), strict=True):
        arguments = [tool, str(child), *lines.split()]
        running.append((tool, os.posix_spawn(tool, arguments, os.environ)))
    for tool, pid in running:
        _, status = os.waitpid(pid, 0)
        if status:
            raise RefusedError(tool, PermissionError(1, "it could not map the subordinate ids"))


def be_first(  # noqa: PLR0917  # what a fork inherits
    plan: "Plan", payload: Payload, channel: Channel, upper: "uppers.Upper", held: int, report: int
) -> "NoReturn":
    """Be C: mount, start the payload, reap. Ends the process, never returns into the caller's frames."""
    code = FAILED
    progress = ["a private mount namespace"]
    try:
        processes.set_parent_death_signal(_SIGKILL)
        payload.umask = os.umask(0o022)
        channel.given.take()
        if mount_all(plan, upper, channel, payload, progress):
            progress[0] = "the payload"
            if plan["limits"]["processes"]:
                processes.limit_processes(plan["limits"]["processes"])
            child, go = start(plan, payload)
            _close_first_process(plan, (held, upper.descriptor, report, go))
            os.write(go, b"go")
            os.close(go)
            os.close(report)
            code = init.supervise(child)
    except OSError as error:
        os.write(report, RefusedError(progress[0], error).to_bytes())
    except BaseException:  # noqa: BLE001  # a bug: it may not unwind into P's frames, but it is shown
        show_bug()
    finally:
        os._exit(code)


def _close_first_process(plan: "Plan", kept: "tuple[int, ...]") -> None:
    """In C, before the payload may run: harden PID 1, so that the payload can neither read nor trace it.

    /proc/1/exe is the host's Python, /proc/1/fd leads to the host's files (CVE-2019-5736), and everybody can
    read command line and name. The bounding set does not matter: C executes nothing.
    """
    processes.set_dumpable(0)
    syscalls.close_others(kept)
    processes.set_name("envforge")
    processes.overwrite_arguments(sys.orig_argv, "envforge")
    # CAP_KILL: signals are forwarded to a payload that has changed its uid, too.
    processes.set_capabilities((_KILL,) if plan["bounding"] else ())
    processes.set_no_new_privileges()
    processes.set_parent_death_signal(_SIGKILL)  # the change of capabilities has cleared it


def mount_all(
    plan: "Plan", upper: "uppers.Upper", channel: Channel, payload: Payload, progress: "list[str]"
) -> bool:
    """Mount the sandbox's root and change into it; False if P is gone.

    `progress[0]` names the current step, for the report of an error. Sets `payload.adopt` if a terminal was
    made inside.
    """
    syscalls.mount("none", "/", flags=syscalls.MS_REC | syscalls.MS_PRIVATE)
    if channel.given.left_to_first:
        progress[0] = "standard input"
        streams.protect_own_input()
    processes.sethostname(plan["hostname"])
    own_network = plan["network"] != "host"
    if own_network:
        syscalls.bring_up_loopback()
    progress[0] = "the host's devices, /proc and /sys"
    devices = mounts.open_devices()
    proc, system = (os.open(path, os.O_PATH | os.O_CLOEXEC) for path in ("/proc", "/sys"))
    progress[0] = "a bind mount"
    sources = channel.wait(plan)
    if sources is None:
        return False
    processes.unshare(processes.CLONE_NEWCGROUP)  # now that P has put it where it stays: that is its root
    progress[0] = f"overlay of {plan['layers_directory']}"
    channel.mount_overlay(plan, upper, sources)
    mounts.enter_root()
    progress[0] = "/dev, /proc and /sys"
    mounts.mount_dev(devices, tty_group=plan["tty_group"])
    payload.adopt = channel.make_console(plan) or payload.adopt
    if not mounts.mount_proc(proc) and os.isatty(2):
        say("/proc is partly covered here, as in a container: the processes outside are shown in its place")
    mounts.mount_system(system, own_network=own_network)
    if own_network:
        mounts.allow_ping(plan["ping_group"])
    mounts.restrict()
    mounts.mount_temporary(nested=plan["namespaces"])
    if plan["runtime"]:
        progress[0] = plan["runtime"]
        make_runtime(plan)
    mounts.leave_host()
    _attach(plan, sources, channel.masks, progress)
    for path, text in plan["links"]:
        binds.make_link(path, text)
    return True


def _attach(
    plan: "Plan", sources: "list[binds.Source]", hidden: "list[masks.Mask]", progress: "list[str]"
) -> None:
    """Attach the bind mounts, each masked and protected at once, before another mount covers it."""
    for number, source in enumerate(sources):
        progress[0] = f"a mount at {source.target}"
        binds.attach(source.tree, source.target, directory=source.directory)
        protected = [*masks.seen_in(source.path, plan["read_only"])]
        covered = [mask[1:] for mask in hidden if mask[0] == number]
        progress[0] = f"what is covered in {source.target}"
        for path in dict.fromkeys((*protected, *(path for path, *_ in covered))):
            binds.pin(source.tree, path)
        for path in protected:
            binds.protect(source.tree, path)
        for path, device, inode in covered:
            binds.mask(source.tree, path, device, inode)
        os.close(source.tree)
