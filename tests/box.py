"""A small sandbox to try things in: a store with one busybox layer, made and entered as any kind of user.

What a test enters by (`Box.command`) is `main` in a Python of its own, as root or as another user: it makes
the store of the home if need be and enters it.
"""

import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence

from attrs import evolve, field, frozen

from envforge.errors import EnvforgeError
from envforge.kernel import processes, syscalls
from envforge.sandbox import perform
from envforge.sandbox.ids.identity import Identity, detect
from envforge.sandbox.ids.worker import call_in_namespace
from envforge.sandbox.life.launch import enter
from envforge.sandbox.limits.model import Limits
from envforge.sandbox.plan.compile import Compiled, compile_plan
from envforge.sandbox.plan.downgrade import downgrade
from envforge.sandbox.plan.model import Account, Mount, SandboxPlan

DIGEST = "d" * 64
ERROR = 125
STALE = 124
OWNED = ("/etc/owned", 5, 6)
"""A file of the layer that belongs to neither root nor the user, where more than one id can be held."""


ENTER = """
import sys
sys.path.insert(0, sys.argv.pop(1))
import box
sys.exit(box.main())
"""
"""What enters: as a module it is compiled once and kept, and its modules are those that entering needs."""
BEGINNING = """
import os, signal, sys, threading
sys.path.insert(0, sys.argv[1])
from box import compiled_plan
from envforge.sandbox import perform
from envforge.sandbox.perform import Payload, start, wait
home = sys.argv[2]
"""


@frozen
class Box:
    """Where and as whom a test enters."""

    home: str
    uid: int
    kind: str
    """`root`, `ranges` or `single`."""
    words: Callable[[Sequence[str]], list[str]] = field(repr=False)
    """Makes of a command one that runs as the user."""

    @property
    def project(self) -> str:
        """The project directory; its name has all that usually goes wrong."""
        return f"{self.home}/my proj:a,b\\ü"

    @property
    def store(self) -> str:
        """The store's directory."""
        return f"{self.home}/store"

    def command(self, *command: str, host: Mapping[str, str] | None = None, **options: object) -> list[str]:
        """Return what runs `command` inside, from outside, with variables of the host set."""
        variables = [f"{name}={value}" for name, value in (host or {}).items()]
        entry = [sys.executable, "-P", "-c", ENTER, os.path.dirname(__file__), self.home]
        entry += [json.dumps(options), *command]
        return self.words(["env", *variables, *entry])

    def run(
        self,
        *command: str,
        stdin: str | None = "",
        timeout_s: float = 60,
        host: Mapping[str, str] | None = None,
        **options: object,
    ) -> subprocess.CompletedProcess[str]:
        """Run `command` inside, without a terminal."""
        return subprocess.run(
            self.command(*command, host=host, **options),
            input=stdin,
            capture_output=True,
            text=True,
            errors="surrogateescape",
            check=False,
            timeout=timeout_s,
        )

    def shell(self, script: str, **options: object) -> str:
        """Run a shell script inside, insist that it went well, and return what it printed."""
        result = self.run("sh", "-c", script, **options)
        assert result.returncode == 0, f"{script}: {result.returncode}\n{result.stdout}\n{result.stderr}"
        return result.stdout

    def python(self, code: str, *arguments: str, **options: object) -> str:
        """Run Python code inside, with the host's interpreter mounted, and return what it printed."""
        result = self.run(sys.executable, "-I", "-c", code, *arguments, python=True, **options)
        assert result.returncode == 0, f"{result.returncode}\n{result.stdout}\n{result.stderr}"
        return result.stdout

    def program(self, code: str, *arguments: str, timeout_s: float = 60) -> str:
        """Run Python code outside, as the user; it finds `home` and our modules. Return what it printed."""
        words = [sys.executable, "-c", BEGINNING + code, os.path.dirname(__file__), self.home, *arguments]
        result = subprocess.run(
            self.words(words), capture_output=True, text=True, check=False, timeout=timeout_s
        )
        assert (result.returncode, result.stderr) == (0, ""), f"{result.returncode}\n{result.stderr}"
        return result.stdout

    def leftovers(self) -> list[str]:
        """Return what is left in the places that a sandbox writes to."""
        return [
            f"{place}/{name}" for place in ("uppers", "trash") for name in os.listdir(f"{self.store}/{place}")
        ]


def make_store(store: str, held: str) -> None:
    """Make a store with one layer. Runs inside namespace A."""
    if os.path.exists(f"{store}/environments/e.json"):
        return
    root = f"{store}/layers/{held}/{DIGEST}/root"
    for name in ("bin", "etc", "usr", "srv", "opt/deep/deeper"):
        os.makedirs(f"{root}/{name}")
    busybox = shutil.which("busybox") or "/bin/busybox"
    shutil.copy(busybox, f"{root}/bin/busybox")
    listing = subprocess.run([busybox, "--list"], capture_output=True, text=True, check=True)
    for name in {*listing.stdout.split(), "sh"} - {"busybox"}:
        os.symlink("busybox", f"{root}/bin/{name}")
    for name in ("lib", "lib64"):
        os.symlink(f"usr/{name}", f"{root}/{name}")
    os.symlink("/etc", f"{root}/link")
    for name in ("hosts", "owned", "not-executable"):
        with open(f"{root}/etc/{name}", "w", encoding="ascii") as file:
            file.write(f"{name} of the layer\n")
    shutil.copy(shutil.which("id") or "/usr/bin/id", f"{root}/opt/set-id")
    os.chmod(f"{root}/opt/set-id", 0o6755)
    shutil.copy(shutil.which("id") or "/usr/bin/id", f"{root}/opt/capable")
    os.setxattr(
        f"{root}/opt/capable", "security.capability", struct.pack("<5I", 0x02000001, 1 << 13, 0, 0, 0)
    )
    if held != "flat":
        os.chown(root + OWNED[0], *OWNED[1:])
    for name in ("uppers", "trash", "environments"):
        os.makedirs(f"{store}/{name}")
    os.chmod(store, 0o700)
    with open(f"{store}/environments/e.json", "w", encoding="ascii") as file:
        file.write("{}")


def plan_of(box_home: str, project: str, options: dict[str, object], identity: Identity) -> SandboxPlan:
    """Return the plan that a test's options ask for."""
    store = f"{box_home}/store"
    mounts = [Mount(project, project)]
    if options.pop("python", False):
        prefixes = sorted({sys.prefix, sys.base_prefix, "/usr"}, key=lambda path: path.count("/"))
        mounts += [Mount(path, path, read_only=True) for path in prefixes]
    mounts += [Mount(*one) for one in options.pop("mounts", ())]  # type: ignore[misc, call-overload]
    account = options.pop("account", None)
    limits = Limits(**options.pop("limits", {}))  # type: ignore[arg-type]
    plan = SandboxPlan(
        identity=identity,
        store=store,
        layers=(DIGEST,),
        lock_file=f"{store}/environments/e.json",
        hostname="box",
        command=("sh",),
        cwd=str(options.pop("cwd", project)),
        user=Account(*account) if isinstance(account, list) else "self",
        mounts=tuple(mounts),
        private=(store,),
        limits=limits,
        variables=(("PATH", "/bin"), ("HOME", "/")),
    )
    known = {name: tuple(value) if isinstance(value, list) else value for name, value in options.items()}
    return evolve(plan, **known)  # type: ignore[arg-type]


def compiled_plan(home: str, options: dict[str, object]) -> Compiled:
    """Return the compiled plan of a box whose store is there, for tests that start it by themselves."""
    project = Box(home, os.getuid(), "", list).project
    plan = plan_of(home, project, options, detect(prefer=options.pop("prefer", None)))  # type: ignore[arg-type]
    return compile_plan(downgrade(plan))


def slow_down(seconds: float) -> None:
    """Make PID 1 dawdle before each step of closing itself: a payload that can run meanwhile surely does."""
    syscalls.close_range = _slow(syscalls.close_range, seconds)
    for name in ("drop_bounding", "set_capabilities", "set_dumpable", "set_no_new_privileges"):
        setattr(processes, name, _slow(getattr(processes, name), seconds))


def _slow(function: Callable[..., object], seconds: float) -> Callable[..., object]:
    def slow(*arguments: object, **named: object) -> object:
        if os.getpid() == 1:
            time.sleep(seconds)
        return function(*arguments, **named)

    return slow


def _enter_published(plan: SandboxPlan, command: Sequence[str], publish: Sequence[str]) -> int:
    """Enter with published ports: by what commands use, which takes as long to load as all the rest."""
    from envforge.api import entering
    from envforge.containers.network.published import all_of

    listening = entering.listen(all_of(publish))
    return entering.enter(compile_plan(plan), command, workdir=plan.cwd, listening=listening)


def main() -> int:
    """Enter the box of the command line; exits like the payload, or with ERROR and a message."""
    home, text, *command = sys.argv[1:]
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # as hot.main does
    options = json.loads(text)
    publish = options.pop("publish", ())
    slow_down(options.pop("slow_first_process", 0))
    project = Box(home, os.getuid(), "", list).project
    os.makedirs(project, exist_ok=True)
    try:
        identity = detect(prefer=options.pop("prefer", None))
        call_in_namespace(identity, make_store, f"{home}/store", identity.held)
        plan = downgrade(plan_of(home, project, options, identity))
        if not publish:
            return enter(plan, command, os.environ, cwd=plan.cwd)
        return _enter_published(plan, command, publish)
    except perform.StaleError as error:
        sys.stderr.write(f"stale: {error}\n")
        return STALE
    except EnvforgeError as error:
        sys.stderr.write(f"{type(error).__name__}: {error.message}; {error.hint}\n")
        return ERROR
