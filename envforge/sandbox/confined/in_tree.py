"""Runs a command over layers, without a network, in the caller's user namespace A: maintainer scripts, apt.

The command has Docker's default capabilities within A, a seccomp filter, and nothing of the host: in a
namespace that maps the real uid 0, more would let a script write the host's sysctls.
"""

import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import NoReturn

from envforge.kernel import advice, init, processes, seccomp, syscalls
from envforge.kernel.capabilities import DEFAULT, KILL, SYS_ADMIN
from envforge.kernel.processes import clone
from envforge.sandbox import binds, mounts, payload
from envforge.sandbox.binds import with_parents
from envforge.sandbox.confined.console import Console
from envforge.sandbox.mounts import topmost_once
from envforge.sandbox.payload import RefusedError

_NAMESPACES = (
    processes.CLONE_NEWPID
    | processes.CLONE_NEWNS
    | processes.CLONE_NEWIPC
    | processes.CLONE_NEWUTS
    | processes.CLONE_NEWNET
)
_FAILED = 125

Bind = tuple[str, str, bool]
"""Source on the host, target inside, read-only."""


def run_in_tree(
    *,
    lowers: Sequence[str],
    upper: str | None,
    work: str | None,
    command: Sequence[str],
    environment: Mapping[str, str],
    cwd: str = "/",
    stdin: int | None = None,
    output: int | None = None,
    binds: Sequence[Bind] = (),
    volatile: bool = True,
    hostname: str = "localhost",
    confine: Callable[[], None] | None = None,
    supervise: Callable[[int], int] | None = None,
    console: Console | None = None,
) -> int:
    """Run `command` over `lowers` (topmost first); returns its exit code as a shell sees it.

    Call it from a process that is uid 0 in namespace A (a confined one, or in `call_in_namespace`). Without
    `upper` the tree is read-only. The tree has its own /dev, /proc, /tmp and /run, which never get into the
    upper directory. `stdin` is /dev/null and `output` the caller's own if None. `confine` is called in the
    command's process, before exec, with CAP_SYS_ADMIN, which the program does not have. `supervise` replaces
    waiting: it gets the pid of the sandbox's PID 1, while `confine` runs, and returns the exit code.
    `console` takes the output instead of `output`. Raises SandboxError or CapabilityError if the sandbox
    cannot be made.
    """
    report_read, report_write = os.pipe()
    seccomp.program(os.uname().machine, nested=False)  # now: its table is out of reach once the root changes
    child = clone(_NAMESPACES)
    if child == 0:
        os.close(report_read)
        plan = _Tree(lowers, upper, work, binds, volatile=volatile, hostname=hostname)
        _redirect(stdin, output if console is None else console.output)
        _begin(plan, report_write, list(command), dict(environment), cwd, confine=confine)
    os.close(report_write)
    if console is not None:
        console.started()
    try:
        problem = _read_report(report_read)
        code = supervise(child) if supervise is not None and not problem else _wait(child, console)
    except BaseException:
        _end(child)
        raise
    finally:
        os.close(report_read)
    if problem:
        raise advice.no_mount(problem.error, problem.step)
    return code


class _Tree:
    """What to mount; and the current step, for the report of an error."""

    def __init__(
        self,
        lowers: Sequence[str],
        upper: str | None,
        work: str | None,
        binds: Sequence[Bind],
        *,
        volatile: bool,
        hostname: str,
    ) -> None:
        self.lowers = topmost_once(map(os.path.abspath, lowers))
        self.upper = os.path.abspath(upper) if upper else None
        self.work = os.path.abspath(work) if work else None
        self.binds = binds
        self.volatile = volatile
        self.hostname = hostname
        self.step = ""

    def enter(self) -> None:
        """Mount everything and change root. On OSError `step` names what failed."""
        self.step = "the device nodes"
        devices = mounts.open_devices()
        proc = os.open("/proc", os.O_PATH | os.O_CLOEXEC)
        sources = []
        for place, target, read_only in self.binds:
            self.step = f"{place} at {target}"
            sources.append(binds.Source(binds.open_source(place, read_only=read_only), target))
        self._enter_overlay(sources)
        self.step = "the tree's own file systems"
        processes.sethostname(self.hostname)
        syscalls.bring_up_loopback()
        mounts.mount_dev(devices, tty_group=False)
        mounts.mount_proc(proc)
        mounts.restrict()
        mounts.mount_temporary()
        mounts.leave_host()
        for source in sources:
            self.step = f"a bind mount at {source.target}"
            binds.attach(source.tree, source.target, directory=source.directory)
            os.close(source.tree)

    def _enter_overlay(self, sources: Sequence[binds.Source]) -> None:
        places = [*self.lowers, *([self.upper, self.work] if self.upper and self.work else [])]
        common = os.path.commonpath(places)
        self.step = f"overlay over {common}"
        os.chdir(common)
        names = [os.path.relpath(place, common) for place in places]
        lowers, rest = names[: len(self.lowers)], names[len(self.lowers) :]
        upper, work = rest or (None, None)
        parents = [os.path.dirname(source.target) for source in sources]
        mounts.make_scratch(with_parents([*mounts.STANDARD, *parents]))
        binds.make_points(sources)
        options = mounts.overlay_options(lowers, upper, work, volatile=self.volatile)
        mounts.mount_overlay(options, read_only=upper is None)
        mounts.enter_root()


def _begin(
    tree: _Tree,
    report: int,
    command: list[str],
    environment: dict[str, str],
    cwd: str,
    *,
    confine: Callable[[], None] | None,
) -> NoReturn:
    """Be PID 1: enter the tree, start the command, reap, end with its code."""
    code = _FAILED
    try:
        processes.set_parent_death_signal(signal.SIGKILL)
        mask = init.block()
        os.umask(0o022)
        os.setsid()  # without a controlling terminal /dev/tty cannot be opened
        if _enter(tree, report, DEFAULT if confine is None else (*DEFAULT, SYS_ADMIN)):
            go_read, go_write = os.pipe()
            child = os.fork()
            if child == 0:
                os.close(go_write)
                os.read(go_read, 1)
                os.close(report)
                init.restore(mask)
                if confine is not None:
                    confine()
                code = _start(command, environment, cwd)
            else:
                _close_first_process()
                code = init.supervise(child)
    finally:
        os._exit(code)


def _enter(tree: _Tree, report: int, capabilities: tuple[int, ...]) -> bool:
    """Enter the tree and give up all capabilities but these; on failure report the step."""
    try:
        tree.enter()
        tree.step = "fewer privileges"
        _drop_privileges(capabilities)
    except OSError as error:
        os.write(report, RefusedError(tree.step, error).to_bytes())
        return False
    return True


def _close_first_process() -> None:
    """In PID 1: give up everything but CAP_KILL, then close every descriptor, which lets the child go on.

    CAP_KILL forwards signals to a program of another uid. The child waits for its pipe to close.
    """
    processes.set_name("envforge")
    processes.overwrite_arguments(sys.orig_argv, "envforge")
    processes.set_capabilities((KILL,))
    processes.set_no_new_privileges()
    processes.set_parent_death_signal(signal.SIGKILL)  # the change of capabilities has cleared it
    syscalls.close_range(3)


def _start(command: list[str], environment: dict[str, str], cwd: str) -> int:
    if not payload.change_directory(cwd):
        return payload.CANNOT_EXECUTE
    return payload.execute(command, environment)


def _drop_privileges(capabilities: tuple[int, ...]) -> None:
    if program := seccomp.program(os.uname().machine, nested=False):
        processes.set_seccomp(program)
    processes.drop_bounding(DEFAULT)  # the program's limit, whatever its starter has
    processes.set_capabilities(capabilities)
    processes.set_dumpable(0)  # /proc/1/exe is the host's Python (CVE-2019-5736)
    processes.set_parent_death_signal(signal.SIGKILL)  # the change of capabilities has cleared it


def _redirect(stdin: int | None, output: int | None) -> None:
    if stdin is None:
        stdin = os.open(os.devnull, os.O_RDONLY)
    os.dup2(stdin, 0)
    if output is not None:
        os.dup2(output, 1)
        os.dup2(output, 2)


def _read_report(descriptor: int) -> RefusedError | None:
    """Return which step failed in the child and why, None once it has started its command."""
    data = b""
    while piece := os.read(descriptor, 4096):
        data += piece
    return RefusedError.from_bytes(data) if data else None


def _wait(child: int, console: Console | None) -> int:
    if console is not None:
        console.attend(child)
    _, status = os.waitpid(child, 0)
    return init.exit_code(status)


def _end(child: int) -> None:
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
