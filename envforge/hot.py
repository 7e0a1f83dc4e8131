"""The warm path: enters a cached sandbox plan for `run` and `shell`, importing next to nothing.

Repeats what `build` and `lock` said, too, while nothing has changed, and starts and joins containers. Other
commands and options (`warm_line.py`), every doubt and every failure before the payload runs fall back to
`envforge.cli`. It must import nothing but `os`, `sys` and the few modules that say so;
`tests/kernel/test_hot_imports.py` counts.
"""

import gc
import os
import sys

from envforge import trust
from envforge.warm_line import parse, parse_answer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from signal import SIG_DFL, SIGCHLD, signal
    from typing import Any

    from envforge.containers.network.published import Published
    from envforge.sandbox.compiled import Plan
    from envforge.warm_line import Request
else:
    from _signal import SIG_DFL, SIGCHLD, signal  # `signal` imports `enum`

_INTERRUPTED = 130
_BROKEN_PIPE = 141
_COLLECTED_AFTER = 50_000
"""Objects: loading modules makes many that stay, in which looking for circles again and again takes 5 ms."""


def main() -> int:
    """Run one command line; returns its exit code."""
    signal(SIGCHLD, SIG_DFL)  # were it ignored, as it may be inherited, the kernel would drop exit codes
    gc.disable()  # a warm command makes little, and no circles: 0.8 ms
    _open_standard_descriptors()
    try:
        code = _warm(sys.argv[1:])
    except KeyboardInterrupt:
        return _INTERRUPTED
    if code is None:
        from envforge.cli import main as whole  # noqa: PLC0415  # 100 ms that the warm path saves

        gc.set_threshold(_COLLECTED_AFTER)
        gc.enable()
        return whole()
    os._exit(code)  # skips the interpreter's shutdown, 2 ms: nothing is open that it would flush


def _open_standard_descriptors() -> None:
    """Open /dev/null where one is closed: the next file opened would get its number, and its output."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open("/dev/null", os.O_RDWR), True)


def _warm(arguments: "list[str]") -> "int | None":
    """Run the command line warm; return its exit code, None where the whole command line must run it."""
    request = parse(arguments)
    if request is None:
        return _say_what_is_known(arguments)
    options = _options(request)
    if options is None:
        return None
    variables, words, ports = options
    if request.kind == "exec":
        return _exec(request, variables)
    plan = _load(request, words)
    if plan is None:
        return None
    return (_detach if "detach" in request.flags else _enter)(plan, request, variables, ports)


def _load(request: "Request", words: "list[str]") -> "Any":
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
    request = parse_answer(arguments)
    if request is None:
        return None
    answer = _load(request, [request.kind])
    if answer is None or not all(os.path.exists(path) for path in answer["needs"]):
        return None
    try:
        os.write(1, answer["said"].encode())
    except BrokenPipeError:
        return _BROKEN_PIPE
    except OSError:
        return None  # the whole command line says what is wrong with its output
    return 0


def _options(request: "Request") -> "tuple[dict[str, str], list[str], tuple[Published, ...]] | None":
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
    plan: "Plan", request: "Request", variables: "dict[str, str]", ports: "tuple[Published, ...]"
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


def _detach(
    plan: "Plan", request: "Request", variables: "dict[str, str]", ports: "tuple[Published, ...]"
) -> "int | None":
    from envforge.containers import warm  # noqa: PLC0415  # only for containers

    asked: dict[str, Any] = {name: name in request.flags for name in ("remove", "tty", "interactive")}
    if request.asked:
        from envforge import run_options  # noqa: PLC0415  # few command lines have such options

        try:
            asked |= run_options.container_of(request.asked, remove=asked["remove"])
        except run_options.OptionError:
            return None
    plan = {**plan, "links": ()}  # those of the cache are links to check
    return warm.run(plan, request, variables, ports, asked)


def _exec(request: "Request", variables: "dict[str, str]") -> "int | None":
    from envforge.sandbox import cache  # noqa: PLC0415  # only for containers

    store = cache.store_path(request.store)
    if store is None or not request.name or not os.path.isdir(f"{store}/containers"):
        return None
    from envforge.containers import warm  # noqa: PLC0415  # likewise

    return warm.enter(store, request.name, request.command, variables, request.workdir)


def find_spec(file: "str | None") -> "str | None":
    """Return the path of the named or the nearest spec, links not followed; None where there is none."""
    if file is not None:
        return os.path.abspath(file)
    try:
        found = trust.find(os.getcwd())
        return None if found is None or trust.leads_away(found) else found
    except FileNotFoundError:
        return None
