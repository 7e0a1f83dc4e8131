"""A mount of the host, in a spec: the same table for the environment and for one service."""

from attrs import field, frozen

from envforge.spec import grammar
from envforge.spec.keys import named


@frozen
class Mount:
    """One `[[mounts]]`: a file or a directory of the host that is seen inside.

    The project directory needs none: it is there at its own path, and writable.
    """

    source: str = field(metadata=named("source", rule=grammar.HOST_PATH))
    """On the host: absolute, below your home (`~/…`), or relative to the spec."""

    target: str = field(metadata=named("target", rule=grammar.INSIDE_PATH))
    """Inside: absolute, or below the home inside (`~/…`)."""

    read_only: bool = field(default=False, metadata=named("read-only"))
    """Whether it can only be read inside."""

    optional: bool = field(default=False, metadata=named("optional"))
    """Whether a missing source is passed over. Else it is an error."""
