"""What a spec brings in besides packages: mounts of the host, and what is fetched from an address.

Locks and services have these tables too, so they load without the rest of the spec.
"""

from envforge.spec import grammar
from envforge.spec.keys import named
from envforge.values import field, frozen


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


@frozen
class Fetch:
    """One `[[fetch]]`: a file or an archive at an address, which becomes a part of the environment.

    `envforge lock` fetches it and pins its SHA-256; no other bytes are ever taken for it, until
    `envforge lock --upgrade`, or `--upgrade-package` with the last part of its address, pins anew. Where
    several put something at one path, the last one in the spec counts. It belongs to root inside. What lies
    in a place that entering uses, `/etc/hosts` or the home, counts as it does for `[[files]]`.
    """

    url: str = field(metadata=named("url", rule=grammar.FETCHED))
    """Where it is: `https://…`, `http://…`, or `file:` with a path relative to the spec, such as
    `"file:vendor/tool.tar.gz"`."""

    target: str = field(metadata=named("target", rule=grammar.FETCH_TARGET))
    """Where it is inside: its own whole path; with `unpack` the directory that the archive's files lie in."""

    unpack: bool = field(default=False, metadata=named("unpack"))
    """Whether it is an archive to unpack: a tar file, as it is or compressed by gzip, xz, zstd or bzip2, or
    a zip file; its bytes say which. What would come to lie outside the target is refused. Files get `0755`
    where the archive has them executable, else `0644`, directories `0755`; times are the archive's."""

    strip: int = field(default=0, metadata=named("strip", most=64))
    """How many leading directories of the archive's paths are left away: 1 where all lies in `tool-1.2/`."""

    mode: str = field(default="", metadata=named("mode", rule=grammar.MODE, otherwise='`"0644"`'))
    """The file's mode, in octal: `"0755"` for a program. Not together with `unpack`."""

    sha256: str = field(
        default="", metadata=named("sha256", rule=grammar.SHA256, otherwise="what came when it was locked")
    )
    """The SHA-256 that it must have."""
