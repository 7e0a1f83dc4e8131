"""The warm path: enters a cached sandbox plan for `run` and `shell`, importing next to nothing.

Repeats what `build` and `lock` said, too, while nothing has changed. Whatever it parses, it parses exactly as
the whole command line does (a property test compares the two). Other commands and options, every doubt and
every failure before the payload runs fall back to `envforge.cli`. It must import nothing but `os`, `sys` and
the few modules that say so; `tests/kernel/test_hot_imports.py` counts.
"""

import os
import sys

from envforge import trust

TYPE_CHECKING = False
if TYPE_CHECKING:
    from signal import SIG_DFL, SIGCHLD, signal
    from typing import Any

    from envforge.containers.network.published import Published
    from envforge.sandbox.compiled import Plan
else:
    from _signal import SIG_DFL, SIGCHLD, signal  # `signal` imports `enum`

_INTERRUPTED = 130
_BROKEN_PIPE = 141

# Option -> the attribute of Request that takes its value; "" for a flag without effect on the warm path.
_NAMED = {"--environment": "environment", "-E": "environment"}
_EVERYWHERE = {
    **_NAMED,
    "--file": "file",
    "--store": "store",
    "--progress": "progress",
    "--quiet": "",
    "--verbose": "",
}
_BEFORE = {**_EVERYWHERE, "-f": "file", "-q": ""}
_LIMITS = (
    *("memory", "memory-swap", "cpus", "cpu-weight", "cpu-shares", "cpuset-cpus", "pids-limit"),
    *("device-read-bps", "device-write-bps"),
)
_OF = {
    "shell": {**_EVERYWHERE, "--locked": ""},
    "run": {
        **_EVERYWHERE,
        "-e": "variables",
        "--env": "variables",
        "--env-file": "files",
        "-v": "volumes",
        "--volume": "volumes",
        "-p": "ports",
        "--publish": "ports",
        "-w": "workdir",
        "--workdir": "workdir",
        "-u": "user",
        "--user": "user",
        "-i": "",
        "--interactive": "",
        "-t": "",
        "--tty": "",
        "--rm": "",
        "--locked": "",
        "-m": "memory",
        **{f"--{name}": name for name in _LIMITS},
    },
}
_ANSWERS = {**_NAMED, "--file": "file", "--store": "store", "--progress": "progress"}
_BEFORE_ANSWERS = {**_ANSWERS, "-f": "file"}
_OF_ANSWERS = {"build": {**_ANSWERS, "--locked": ""}, "lock": {**_ANSWERS, "--check": ""}}
_SILENT_PROGRESS = ("auto", "plain", "none")  # print nothing where nothing is done; `json` prints an end


class Request:
    """A command line that the warm path understands."""

    __slots__ = (
        "command",
        "environment",
        "file",
        "files",
        "limits",
        "ports",
        "store",
        "user",
        "variables",
        "volumes",
        "workdir",
    )

    def __init__(self) -> None:
        self.command: list[str] = []
        self.file: str | None = None
        self.environment: str | None = None
        self.store: str | None = None
        self.variables: list[str] = []
        self.files: list[str] = []
        self.volumes: list[str] = []
        self.ports: list[str] = []
        self.limits: list[tuple[str, str]] = []
        self.workdir: str | None = None
        self.user: str | None = None

    def take(self, attribute: str, value: str) -> bool:
        """Store an option's value; False where the whole command line must judge it, as where it is empty."""
        if attribute == "progress":
            return value in _SILENT_PROGRESS
        if attribute in ("variables", "files", "volumes", "ports"):
            getattr(self, attribute).append(value)
        elif attribute in _LIMITS:
            self.limits.append((attribute, value))
        else:
            setattr(self, attribute, value)
        return bool(value)


def main() -> int:
    """Run one command line; returns its exit code."""
    signal(SIGCHLD, SIG_DFL)  # were it ignored, as it may be inherited, the kernel would drop exit codes
    try:
        code = _warm(sys.argv[1:])
    except KeyboardInterrupt:
        return _INTERRUPTED
    if code is None:
        from envforge.cli import main as whole  # noqa: PLC0415  # 100 ms that the warm path saves

        return whole()
    os._exit(code)  # skips the interpreter's shutdown, 2 ms: nothing is open that it would flush


def _warm(arguments: "list[str]") -> "int | None":
    """Run the command line warm; return its exit code, None where the whole command line must run it."""
    request = parse(arguments)
    if request is None:
        return _say_what_is_known(arguments)
    options = _options(request)
    if options is None:
        return None
    variables, words, ports = options
    plan = _load(request, words)
    return None if plan is None else _enter(plan, request, variables, ports)


def _load(request: Request, words: "list[str]") -> "Any":
    """Return the cached plan or answer of the project for these words, None where anything has changed."""
    found = find_spec(request.file)
    if not found:
        return None
    from envforge.sandbox import cache  # noqa: PLC0415  # only when there is something to look for

    spec_path = os.path.realpath(found)
    name = cache.project_key(spec_path, trust.lock_of(spec_path), request.store, words, request.environment)
    plan = cache.load_plan(name) if name else None
    if plan is None or plan["owners"] != trust.owners(found):
        return None  # the whole command line says what is wrong with the owners
    if any(os.path.realpath(source) != place for source, place in plan["links"]):
        return None
    return plan


def _say_what_is_known(arguments: "list[str]") -> "int | None":
    """Print the cached answer of a `build` or `lock` with nothing to do; None where there is none."""
    request = Request()
    rest = list(arguments)
    if not _take_options(request, rest, _BEFORE_ANSWERS) or rest[:1] not in (["build"], ["lock"]):
        return None
    command = rest.pop(0)
    if not _take_options(request, rest, _OF_ANSWERS[command]) or rest:
        return None
    answer = _load(request, [command])
    if answer is None or not all(os.path.exists(path) for path in answer["needs"]):
        return None
    try:
        os.write(1, answer["said"].encode())
    except BrokenPipeError:
        return _BROKEN_PIPE
    return 0


def _options(request: Request) -> "tuple[dict[str, str], list[str], tuple[Published, ...]] | None":
    """Return the variables to set, the words that options add to a plan's key, and the published ports.

    None where an option is wrong.
    """
    given = (request.variables, request.files, request.volumes, request.user, request.ports, request.limits)
    if not any(given):
        return {}, [], ()
    from envforge import run_options  # noqa: PLC0415  # few command lines have such options

    try:
        variables = dict(run_options.environment_of(request.files, request.variables))
        volumes = [run_options.volume_of(text) for text in request.volumes]
        ports = run_options.ports_of(request.ports)
    except run_options.OptionError:
        return None
    words = run_options.plan_words(volumes, request.user, request.limits, is_private=bool(ports))
    return variables, words, ports


def _enter(
    plan: "Plan", request: Request, variables: "dict[str, str]", ports: "tuple[Published, ...]"
) -> "int | None":
    from envforge.sandbox import inherited, perform  # noqa: PLC0415  # only with a plan

    host = os.environ
    plan = inherited.with_sockets(plan, host)
    environment = inherited.payload_environment(plan, host) | variables
    cwd = request.workdir or inherited.start_directory(plan)
    command = request.command or list(plan["command"])
    try:
        if ports:
            return _publish(plan, ports, command, environment, cwd)
        return perform.enter(plan, command, environment, cwd)
    except (perform.StaleError, perform.RefusedError):
        return None  # the whole command line builds again, or is refused once more and gives advice


def _publish(
    plan: "Plan",
    ports: "tuple[Published, ...]",
    command: "list[str]",
    environment: "dict[str, str]",
    cwd: str,
) -> "int | None":
    from envforge.containers.network import foreground, listening  # noqa: PLC0415  # only with ports

    try:
        opened = listening.listen(ports)
    except listening.RefusedPortError:
        return None  # the whole command line says who has it
    return foreground.enter(plan, opened, command, environment, cwd)


def parse(arguments: "list[str]") -> "Request | None":
    """Return the request of a `run` or `shell`, None for any other command line."""
    request = Request()
    rest = list(arguments)
    if not _take_options(request, rest, _BEFORE) or not rest:
        return None
    command = rest.pop(0)
    if command not in _OF or not _take_options(request, rest, _OF[command]):
        return None
    if rest[:1] == ["--"]:
        del rest[0]
    request.command = rest
    is_whole = rest or command == "shell"
    return request if is_whole and (request.workdir is None or request.workdir.startswith("/")) else None


def _take_options(request: Request, rest: "list[str]", known: "dict[str, str]") -> bool:
    """Move the leading options of `rest` into `request`, as click would; False where one is not known."""
    while rest and rest[0].startswith("-") and rest[0] != "--":
        option = rest.pop(0)
        name, equals, value = option.partition("=")
        if option.startswith("--"):
            attribute = known.get(name)
            if attribute is None or (equals and not attribute):
                return False
        else:
            attribute, value = _take_letters(option[1:], known)
            equals = value
        if attribute is None:
            return False
        if attribute and not equals:
            if not rest:
                return False
            value = rest.pop(0)
        if attribute and not request.take(attribute, value):
            return False
    return True


def _take_letters(letters: str, known: "dict[str, str]") -> "tuple[str | None, str]":
    """Return the attribute that short options in one word (`-itw/tmp`) end in, and the value behind it."""
    for number, letter in enumerate(letters):
        attribute = known.get(f"-{letter}")
        if attribute is None:
            return None, ""
        if attribute:
            return attribute, letters[number + 1 :]
    return ("", "") if letters else (None, "")


def find_spec(file: "str | None") -> "str | None":
    """Return the path of the named or the nearest spec, links not followed; None where there is none."""
    if file is not None:
        return os.path.abspath(file)
    try:
        found = trust.find(os.getcwd())
        return None if found is None or trust.leads_away(found) else found
    except FileNotFoundError:
        return None
