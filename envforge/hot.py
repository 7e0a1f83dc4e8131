"""The warm path: `run` and `shell` where the plan is ready, loading nothing that they do not need.

Understands the plainest command lines only, and gives everything else, every doubt and every failure before
the payload runs to the whole command line. It must import nothing but `os`, `sys` and the few modules of
`sandbox/` that say so: `tests/unit/test_hot_imports.py` counts them.
"""

import os
import sys

from envforge import trust

TYPE_CHECKING = False
if TYPE_CHECKING:
    from signal import SIG_DFL, SIGCHLD, signal
    from typing import Any
else:
    from _signal import SIG_DFL, SIGCHLD, signal  # `signal` imports `enum`

_INTERRUPTED = 130
_IGNORED = ("-i", "-t", "-it", "-ti", "--interactive", "--tty", "--rm")


class Request:
    """A command line that the warm path understands."""

    __slots__ = ("command", "file", "store", "variables", "workdir")

    def __init__(self) -> None:
        self.command: list[str] = []
        self.file: str | None = None
        self.store: str | None = None
        self.variables: list[str] = []
        self.workdir: str | None = None


def main() -> int:
    """Run one command line; returns its exit code."""
    signal(SIGCHLD, SIG_DFL)  # a caller that ignores it would keep the codes of all children from us
    try:
        code = _warm(sys.argv[1:])
    except KeyboardInterrupt:
        return _INTERRUPTED
    if code is None:
        from envforge.cli import main as whole  # noqa: PLC0415  # 100 ms that the warm path saves

        return whole()
    os._exit(code)  # nothing was opened that the interpreter would have to put in order, which takes 2 ms


def _warm(arguments: "list[str]") -> "int | None":
    """Return the payload's exit code, None where this is not for the warm path."""
    request = parse(arguments)
    found = request and find_spec(request.file)
    if request is None or not found:
        return None
    from envforge.sandbox import cache  # noqa: PLC0415  # only when there is something to look for

    spec_path = os.path.realpath(found)
    name = cache.project_key(spec_path, trust.lock_of(spec_path), request.store)
    plan = cache.load_plan(name) if name else None
    if plan is None or plan["owners"] != trust.owners(found):
        return None  # the whole command line says what is wrong with the owners
    return _enter(plan, request)


def _enter(plan: "dict[str, Any]", request: Request) -> "int | None":
    from envforge.sandbox import passing, perform  # noqa: PLC0415  # only with a plan

    host = os.environ
    extra = dict(_variable(text) for text in request.variables if "=" in text or text in host)
    plan = passing.with_sockets(plan, host)
    environment = passing.payload_environment(plan, host) | extra
    cwd = request.workdir or passing.start_directory(plan)
    try:
        return perform.enter(plan, request.command or list(plan["command"]), environment, cwd)
    except (perform.StaleError, perform.RefusedError):
        return None  # built again, or refused once more with advice, by the whole command line


def _variable(text: str) -> "tuple[str, str]":
    name, equals, value = text.partition("=")
    return name, value if equals else os.environ[name]


def parse(arguments: "list[str]") -> "Request | None":
    """Return what a plain `run` or `shell` asks for, None for any other command line."""
    request = Request()
    rest = iter(arguments)
    command = ""
    for argument in rest:
        if argument == "--":
            if not command:
                return None
            request.command = list(rest)
        elif argument in ("-f", "--file") and not command:
            request.file = next(rest, "")
        elif argument == "--store":
            request.store = next(rest, "")
        elif not argument.startswith("-"):
            if command:
                request.command = [argument, *rest]
            elif argument in ("run", "shell"):
                command = argument
            else:
                return None
        elif command != "run" or not _take_option(request, argument, rest):
            return None
    complete = request.command or command == "shell"
    return request if complete and request.store != "" and request.file != "" else None


def _take_option(request: Request, option: str, rest: "Any") -> bool:
    if option in _IGNORED:
        return True
    value = next(rest, "") if option in ("-e", "--env", "-w", "--workdir") else ""
    if option in ("-e", "--env") and not value.startswith("=") and value:
        request.variables.append(value)
        return True
    if option in ("-w", "--workdir") and value.startswith("/"):
        request.workdir = value
        return True
    return False


def find_spec(file: "str | None") -> "str | None":
    """Return the path of the spec that is meant, links not followed; None where there is none."""
    if file is not None:
        return os.path.abspath(file)
    try:
        return trust.find(os.getcwd())
    except FileNotFoundError:
        return None
