"""What the warm path understands of a command line: what the whole command line does, to the letter.

Whatever it parses, it parses exactly as click would; a property test compares the two. Loaded by every
command, so it imports nothing.
"""

# Option -> the attribute of Request that takes its value; "" for a flag without effect on the warm path,
# `+` and a name for one that goes to `Request.flags`.
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
_ASKED = ("label", "restart", "stop-signal", "stop-timeout")  # of a container
_INSIDE = {
    "-e": "variables",
    "--env": "variables",
    "--env-file": "files",
    "-w": "workdir",
    "--workdir": "workdir",
}
_OF = {
    "shell": {**_EVERYWHERE, "--locked": ""},
    "exec": {**_INSIDE, "--store": "store", "-i": "", "--interactive": "", "-t": "", "--tty": ""},
    "run": {
        **_EVERYWHERE,
        **_INSIDE,
        "-v": "volumes",
        "--volume": "volumes",
        "-p": "ports",
        "--publish": "ports",
        "-u": "user",
        "--user": "user",
        "-i": "+interactive",
        "--interactive": "+interactive",
        "-t": "+tty",
        "--tty": "+tty",
        "-d": "+detach",
        "--detach": "+detach",
        "--name": "name",
        "--rm": "+remove",
        "--locked": "",
        "-m": "memory",
        "-l": "label",
        **{f"--{name}": name for name in (*_LIMITS, *_ASKED)},
    },
}
_ANSWERS = {**_NAMED, "--file": "file", "--store": "store", "--progress": "progress"}
_BEFORE_ANSWERS = {**_ANSWERS, "-f": "file"}
_OF_ANSWERS = {"build": {**_ANSWERS, "--locked": ""}, "lock": {**_ANSWERS, "--check": ""}}
_SILENT_PROGRESS = ("auto", "plain", "none")  # print nothing where nothing is done; `json` prints an end


class Request:
    """A command line that the warm path understands."""

    __slots__ = (
        "asked",
        "command",
        "environment",
        "file",
        "files",
        "flags",
        "kind",
        "limits",
        "name",
        "ports",
        "store",
        "user",
        "variables",
        "volumes",
        "workdir",
    )

    def __init__(self) -> None:
        self.kind = ""
        self.command: list[str] = []
        self.file: str | None = None
        self.environment: str | None = None
        self.store: str | None = None
        self.variables: list[str] = []
        self.files: list[str] = []
        self.volumes: list[str] = []
        self.ports: list[str] = []
        self.limits: list[tuple[str, str]] = []
        self.asked: list[tuple[str, str]] = []
        self.workdir: str | None = None
        self.user: str | None = None
        self.name: str | None = None
        self.flags: set[str] = set()

    def take(self, attribute: str, value: str) -> bool:
        """Store an option's value; False where the whole command line must judge it, as where it is empty."""
        if attribute == "progress":
            return value in _SILENT_PROGRESS
        if attribute in ("variables", "files", "volumes", "ports"):
            getattr(self, attribute).append(value)
        elif attribute in _LIMITS:
            self.limits.append((attribute, value))
        elif attribute in _ASKED:
            self.asked.append((attribute, value))
        else:
            setattr(self, attribute, value)
        return bool(value)


def parse(arguments: "list[str]") -> "Request | None":
    """Return the request of a `run`, `shell` or `exec NAME`, None for any other command line."""
    request = Request()
    rest = list(arguments)
    if not _take_options(request, rest, _BEFORE) or not rest:
        return None
    command = rest.pop(0)
    if command not in _OF or not _take_options(request, rest, _OF[command]):
        return None
    request.kind = command
    if command == "exec":
        if len(rest) < 3 or rest[1] != "--" or request.environment or request.file:
            return None
        request.name = rest.pop(0)
    if rest[:1] == ["--"]:
        del rest[0]
    elif command == "run" and rest[1:2] == ["--"]:
        return None  # the first word may be a service
    request.command = rest
    if command == "exec" or "detach" in request.flags:
        is_whole = bool(rest)
    else:
        is_whole = (bool(rest) or command == "shell") and request.name is None and not request.asked
    return request if is_whole and (request.workdir is None or request.workdir.startswith("/")) else None


def _take_options(request: Request, rest: "list[str]", known: "dict[str, str]") -> bool:
    """Move the leading options of `rest` into `request`, as click would; False where one is not known."""
    while rest and rest[0].startswith("-") and rest[0] != "--":
        option = rest.pop(0)
        name, equals, value = option.partition("=")
        if option.startswith("--"):
            attribute = known.get(name)
            if attribute is None or (equals and attribute[:1] in ("", "+")):
                return False
        else:
            attribute, value = _take_letters(option[1:], known, request)
            equals = value
        if attribute is None:
            return False
        if attribute[:1] == "+":
            request.flags.add(attribute[1:])
            continue
        if attribute and not equals:
            if not rest:
                return False
            value = rest.pop(0)
        if attribute and not request.take(attribute, value):
            return False
    return True


def _take_letters(letters: str, known: "dict[str, str]", request: Request) -> "tuple[str | None, str]":
    """Return the attribute that short options in one word (`-itw/tmp`) end in, and the value behind it."""
    for number, letter in enumerate(letters):
        attribute = known.get(f"-{letter}")
        if attribute is None:
            return None, ""
        if attribute[:1] == "+":
            request.flags.add(attribute[1:])
        elif attribute:
            return attribute, letters[number + 1 :]
    return ("", "") if letters else (None, "")


def parse_answer(arguments: "list[str]") -> "Request | None":
    """Return the request of a `build` or `lock` that may have nothing to do, None for any other."""
    request = Request()
    rest = list(arguments)
    if not _take_options(request, rest, _BEFORE_ANSWERS) or rest[:1] not in (["build"], ["lock"]):
        return None
    request.kind = rest.pop(0)
    return None if not _take_options(request, rest, _OF_ANSWERS[request.kind]) or rest else request
