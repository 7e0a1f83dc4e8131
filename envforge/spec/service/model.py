"""The services of a spec, key by key. As in `model.py`, the text under each field is documentation."""

from collections.abc import Mapping

from envforge.spec import grammar
from envforge.spec.from_outside import Mount
from envforge.spec.keys import named
from envforge.spec.limits import Limits
from envforge.spec.service import grammar as service_grammar
from envforge.values import field, frozen


@frozen
class Health:
    """`[services.NAME.health]`: how to see that a service is ready. One of `command`, `http` and `tcp`.

    A service that has just started is asked every `start-interval` until it is well for the first time, and
    no failure counts until `start-period` is over; from then on it is asked every `interval`.
    """

    command: tuple[str, ...] = field(
        default=(), metadata=named("command", rule=grammar.ARGUMENT, filled=True)
    )
    """A command that is run inside, as the service's user. The service is well when it ends with 0."""

    http: str = field(default="", metadata=named("http", rule=service_grammar.HEALTH_HTTP))
    """An address inside, asked without a proxy: `"http://localhost:3000/ready"`. Any answer from 200 to 399
    is well."""

    tcp: int = field(default=0, metadata=named("tcp", most=65535))
    """A port inside, on which something takes connections."""

    interval: str = field(default="10s", metadata=named("interval", rule=service_grammar.DURATION))
    """How long to wait between two checks."""

    start_interval: str = field(
        default="200ms", metadata=named("start-interval", rule=service_grammar.DURATION)
    )
    """The same while it starts."""

    start_period: str = field(default="30s", metadata=named("start-period", rule=service_grammar.DURATION))
    """How long it may take to start."""

    timeout: str = field(default="5s", metadata=named("timeout", rule=service_grammar.DURATION))
    """How long one check may take."""

    retries: int = field(default=3, metadata=named("retries", most=10000))
    """How many checks in a row may fail until the service counts as unhealthy."""


@frozen
class Service:
    """`[services.NAME]`: one program that `envforge up` runs, in a container of its own.

    It sees the project directory as a shell does, and the other services of the project by their names. Its
    container is called `PROJECT-NAME`; `envforge logs`, `exec`, `restart` and the others take that name. Of
    the host's variables it sees those that `[shell]` lets through by `pass`, and no others.
    """

    command: tuple[str, ...] = field(metadata=named("command", rule=grammar.ARGUMENT, filled=True))
    """The program and its arguments."""

    environment: str = field(
        default="", metadata=named("environment", rule=grammar.NAME, otherwise="the spec's own")
    )
    """Which of the spec's environments it runs in."""

    publish: tuple[str, ...] = field(default=(), metadata=named("publish", rule=service_grammar.PUBLISHED))
    """Ports that the host can reach: `["3000:80"]` is port 80 inside as port 3000 of the host's
    `127.0.0.1`. `"0.0.0.0:3000:80"` opens it to other machines, `"auto:80"` takes a free port,
    `"5353:53/udp"` is UDP, and `"3000-3005:3000-3005"` several."""

    depends_on: tuple[str, ...] = field(
        default=(), metadata=named("depends-on", rule=service_grammar.DEPENDENCY)
    )
    """Services that must be ready first: `["db"]` waits until `db` is healthy, or runs where it has no
    health check; `"db:started"` until it runs; `"migrate:completed"` until it has ended with 0."""

    restart: str = field(default="no", metadata=named("restart", rule=service_grammar.RESTART))
    """What to do when it ends: `"no"`, `"on-failure"` (with another code than 0; `"on-failure:5"` at most
    five times), `"always"`, or `"unless-stopped"`. Each try waits twice as long as the last one, up to a
    minute."""

    health: Health = field(factory=Health, metadata=named("health"))
    """How to see that it is ready, a `[services.NAME.health]`."""

    variables: Mapping[str, str] = field(
        factory=dict, metadata=named("variables", rule=grammar.VALUE, names=grammar.VARIABLE)
    )
    """Variables for this service alone, over those of its environment."""

    user: str = field(
        default="", metadata=named("user", rule=grammar.USER, otherwise="that of its environment's `[shell]`")
    )
    """Who it runs as inside: `"self"`, `"root"`, or a user of the environment, such as `"postgres"`."""

    workdir: str = field(
        default="",
        metadata=named("workdir", rule=grammar.ABSOLUTE_PATH, otherwise="the project directory"),
    )
    """The directory that it starts in."""

    network: str = field(default="private", metadata=named("network", choices=("private", "host", "none")))
    """`"private"`: it sees the project's other services and, as `network.outbound` says, other machines; what
    it publishes can be reached. `"host"`: the host's network. `"none"`: a loopback interface only."""

    mounts: tuple[Mount, ...] = field(default=(), metadata=named("mounts"))
    """Mounts for this service alone, each a `[[services.NAME.mounts]]` with the keys of `[[mounts]]`."""

    limits: Limits = field(factory=Limits, metadata=named("limits", otherwise="those of `[limits]`"))
    """How much of the machine it may use, a `[services.NAME.limits]` with the keys of `[limits]`."""

    volumes: tuple[str, ...] = field(default=(), metadata=named("volumes", rule=service_grammar.VOLUME))
    """Directories that outlive the container, by name: `["data:/var/lib/postgresql"]`; `:ro` at the end for
    reading only. `envforge volume` looks after them."""

    secrets: tuple[str, ...] = field(default=(), metadata=named("secrets", rule=grammar.NAME))
    """Names from `[secrets]` that it may read."""

    stop_signal: str = field(default="TERM", metadata=named("stop-signal", rule=service_grammar.SIGNAL))
    """The signal that asks it to end."""

    stop_timeout: str = field(default="10s", metadata=named("stop-timeout", rule=service_grammar.DURATION))
    """How long it has to do so before it is killed."""
