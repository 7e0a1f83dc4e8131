"""Warm and cold agree over command lines: what hot.py takes is what click takes, with the same meaning."""

import os

import click
from hypothesis import example, given, settings
from hypothesis import strategies as st

from envforge import hot
from envforge.cli.commands import enter
from envforge.cli.root import root
from envforge.cli.settings import Settings
from envforge.errors import EnvforgeError
from envforge.run_options import OptionError, container_of, plan_words

PLACE = os.path.dirname(__file__)
FILE = os.path.join(os.path.dirname(__file__), "test_warm_and_cold.env")
VALUES = [
    "A=1",
    " A=1",
    "=1",
    "B",
    "PATH",
    "/",
    "/tmp",
    "tmp",
    ".",
    f"{PLACE}:/x",
    f"{PLACE}:/x:ro",
    ".:/x",
    "x:/x",
    "/nowhere:/x",
    f"{PLACE}:x",
    f"{PLACE}:/x:wo",
    FILE,
    "root",
    "3000:3000",
    "auto:80/udp",
    "[::1]:1-2:3-4",
    "3000",
    "",
    "-x",
    "--",
    "a.toml",
    "json",
    "none",
    "default",
    "db",
]
NAMES = [
    *("-e", "--env", "--env-file", "-v", "--volume", "-w", "--workdir", "-u", "--user", "-i", "-t", "-it"),
    *(
        "-ti",
        "--interactive",
        "--tty",
        "-p",
        "--publish",
        "-tp",
        "--rm",
        "-d",
        "--detach",
        "-dit",
        "--name",
        "--restart",
        "-l",
        "--stop-signal",
        "--locked",
        "-f",
        "--file",
        "--store",
        "-q",
        "--quiet",
        "--progress",
        "-m",
        "--memory",
        "--memory-swap",
        "--cpus",
        "--cpu-weight",
        "--cpu-shares",
        "--cpuset-cpus",
        "--pids-limit",
        "--device-read-bps",
        "--device-write-bps",
    ),
    *(
        "--verbose",
        "-h",
        "--help",
        "--version",
        "--json",
        "--allow",
        "--lock",
        "-",
        "-x",
        "-ie",
        "-tv",
        "-iw",
        "-E",
        "--environment",
        "-iE",
        "-E=",
    ),
]
JOINED = st.builds(
    "".join, st.tuples(st.sampled_from(NAMES), st.sampled_from(["=", ""]), st.sampled_from(VALUES))
)
WORDS = st.one_of(
    st.sampled_from(NAMES),
    st.sampled_from(VALUES),
    JOINED,
    st.sampled_from(["run", "shell", "true", "bake"]),
)
PAIRS = st.builds(lambda name, value: [name, value], st.sampled_from(NAMES), st.sampled_from(VALUES))
LINES = st.one_of(
    st.lists(WORDS, max_size=8),
    st.builds(
        lambda before, command, pairs, rest: [*before, command, *(w for pair in pairs for w in pair), *rest],
        st.lists(WORDS, max_size=2),
        st.sampled_from(["run", "shell"]),
        st.lists(PAIRS, max_size=4),
        st.lists(st.sampled_from(["true", "--", "-x", "ls", "run"]), max_size=3),
    ),
)


def cold(words):
    """Return what the whole command line makes of it, None where it does not enter."""
    taken = []

    def entered(
        settings, options, command, *, locked, environment=(), workdir=None, published=(), asked=None
    ):
        del locked
        place = (settings.file, settings.store, named(settings.environment))
        taken.append((*place, list(command), dict(environment), workdir, published, asked, options))
        return 0

    before = enter._enter, enter._detach
    enter._enter = enter._detach = entered
    try:
        with root.make_context("envforge", list(words), obj=Settings()) as context:
            root.invoke(context)
    except (click.ClickException, click.exceptions.Exit, EnvforgeError):
        return None
    finally:
        enter._enter, enter._detach = before
    if not taken:
        return None
    *plain, options = taken[0]
    words = plan_words(options.volumes, options.user, options.limits, is_private=options.is_private)
    return (*plain, words)


def named(environment):
    """Return which environment is meant: the spec's own by its name, or without one."""
    return environment or "default"


def warm(words):
    request = hot.parse(words)
    options = request and hot._options(request)
    if not options:
        return None
    variables, plan, ports = options
    place = (request.file, request.store, named(request.environment))
    asked = None
    if "detach" in request.flags:
        flags = {name: name in request.flags for name in ("remove", "tty", "interactive")}
        try:
            asked = flags | container_of(request.asked, remove=flags["remove"])
        except OptionError:
            return None
        asked |= {"name": request.name, "user": request.user or ""}
    return (*place, request.command, variables, request.workdir, ports, asked, plan)


@settings(max_examples=1500, deadline=None)
@given(LINES)
@example(["-E", "db", "run", "-u", "root", "-v", ".:/x", "true"])
@example(["-Edb", "shell", "--environment=default"])
@example(["run", "-iE", "db", "true"])
@example(["run", "-dit", "--rm", "--name", "root", "-l", "A=1", "true"])
@example(["run", "-d", "--restart=always", "--rm", "true"])
def test_what_the_warm_path_takes_means_the_same_to_the_whole_command_line(words):
    understood = warm(words)
    if understood is not None:
        assert understood == cold(words)


@settings(max_examples=500, deadline=None)
@given(LINES)
def test_what_the_whole_command_line_takes_is_nearly_always_warm(words):
    understood = cold(words)
    if understood is not None and not {"", "--allow"}.intersection(words) and "-" not in words:
        joined_empty = any(word.endswith("=") for word in words)
        may_be_service = understood[3][1:2] == ["--"]
        has_name = any(word.startswith("--name") for word in words)  # one in the foreground is cold
        is_left_out = joined_empty or words[0] == "--" or may_be_service or has_name
        assert is_left_out or warm(words) == understood
