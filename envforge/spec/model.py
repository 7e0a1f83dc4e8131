"""The spec as data, key by key. The text under each field is its entry in the spec reference.

Values stand as written: `~` and relative paths are not expanded here. `spec/parse.py` makes these.
"""

from collections.abc import Iterator, Mapping
from typing import get_args, get_origin

from envforge.spec import grammar
from envforge.spec.from_outside import Fetch, Mount
from envforge.spec.keys import key_of, named
from envforge.spec.limits import Limits
from envforge.spec.service import grammar as service_grammar
from envforge.spec.service.model import Service
from envforge.values import AttrsInstance, Factory, field, fields, frozen, has


@frozen
class Archive:
    """One `[[debian.archive]]`: a further archive that packages are chosen from."""

    uri: str = field(metadata=named("uri", rule=grammar.URI))
    """Address of the archive, the directory in which `dists` lies: `"https://apt.example.org/debian"`."""

    suite: str = field(metadata=named("suite", rule=grammar.FOREIGN_SUITE))
    """Name of the directory below `dists`: `"bookworm-pgdg"`."""

    components: tuple[str, ...] = field(
        default=("main",), metadata=named("components", rule=grammar.COMPONENT, filled=True)
    )
    """Which parts of the archive to use."""

    key: str = field(
        default="",
        metadata=named(
            "key", rule=grammar.KEY, otherwise="the keys of Debian's archive, which ship with envforge"
        ),
    )
    """Who must have signed the archive: a file with OpenPGP keys, relative to the spec, or the fingerprint of
    one key. A fingerprint needs `key-source`."""

    key_source: str = field(default="", metadata=named("key-source", rule=grammar.URI))
    """Where the key with that fingerprint is fetched from. Only a key that has it is believed."""


def _usual_pockets(debian: "Debian") -> tuple[str, ...]:
    return () if debian.suite == "sid" else ("updates", "security")


@frozen
class Debian:
    """`[debian]`: the packages that the environment is made of."""

    suite: str = field(metadata=named("suite", rule=grammar.SUITE))
    """The Debian release, by its code name: `"bookworm"` (12), `"trixie"` (13). Its updates and security
    fixes come with it."""

    packages: tuple[str, ...] = field(default=(), metadata=named("packages", rule=grammar.PACKAGE))
    """Packages by name: `"git"`. `"nodejs=18.*"` pins a version: behind the `=` stands a version, in which
    `*` is anything. What they depend on comes along, and a minimal Debian system is always there."""

    recommends: bool = field(default=False, metadata=named("recommends"))
    """Whether recommended packages come along too, as with a plain `apt install`."""

    components: tuple[str, ...] = field(
        default=("main",),
        metadata=named("components", rule=grammar.COMPONENT, choices=grammar.KNOWN_COMPONENTS, filled=True),
    )
    """Which parts of Debian to use."""

    pockets: tuple[str, ...] = field(
        default=Factory(_usual_pockets, takes_self=True),
        metadata=named(
            "pockets",
            rule=grammar.POCKET,
            otherwise='`["updates", "security"]`, or `[]` where the suite is `sid`',
        ),
    )
    """Which companions of the suite to use besides it; `"backports"` is another one. With `[]` it is the
    suite alone, without the fixes made since its last point release."""

    archives: tuple[Archive, ...] = field(default=(), metadata=named("archive"))
    """Further archives, each a `[[debian.archive]]`."""


@frozen
class LocalFile:
    """One `[[files]]`: a file or a directory of the project that becomes a part of the environment.

    It is hashed when the environment is built, and belongs to root inside. For what changes while you work,
    use `[[mounts]]`, or the project directory itself, which is there at its own path.

    Some files of `/etc` are the host's inside, or made on entering. Yours go before the host's
    `/etc/resolv.conf` and `/etc/localtime`, and before `/etc/hosts`, which else holds the environment's name
    and the host's lines. `/etc/passwd` and `/etc/group` are yours with your own user added, and
    `/etc/ssl/certs/ca-certificates.crt` with what the host trusts. A target inside the home is refused, as
    the home covers it: put it below `/etc/skel`, which a new home is made from.
    """

    source: str = field(metadata=named("source", rule=grammar.RELATIVE_PATH))
    """A file or a directory, relative to the spec."""

    target: str = field(metadata=named("target", rule=grammar.ABSOLUTE_PATH))
    """Where it is inside: its own whole path, not the directory that it is put into."""

    mode: str = field(
        default="",
        metadata=named(
            "mode", rule=grammar.MODE, otherwise='`"0755"` where the source is executable, else `"0644"`'
        ),
    )
    """The file's mode, in octal; for a directory that of every file in it. Directories always get `0755`."""


@frozen
class Shell:
    """`[shell]`: how the environment is entered, by `envforge shell` and `envforge run` alike."""

    command: tuple[str, ...] = field(
        default=("bash",), metadata=named("command", rule=grammar.ARGUMENT, filled=True)
    )
    """What `envforge shell` starts: a program and its arguments."""

    home: str = field(default="private", metadata=named("home", choices=("private", "host")))
    """`"private"`: a home directory of the project's own, kept between runs. `"host"`: your own home. A user
    of a package, such as `"postgres"`, has the home that the environment gives it."""

    user: str = field(default="self", metadata=named("user", rule=grammar.USER))
    """`"self"`: your own user, and files that you make are yours outside too. `"root"`: user 0 inside, you
    outside. Else the name of a user that the environment's packages make, such as `"postgres"`."""

    pass_: tuple[str, ...] = field(default=(), metadata=named("pass", rule=grammar.PASSED))
    """Variables of the host that are let through: `["EDITOR", "AWS_*"]`; `*` stands for any characters, `?`
    for one. `TERM`, `COLORTERM`, `NO_COLOR`, `LANG`, `LC_*` and `TZ` always are, and the proxies' where
    `network.trust` says so; nothing else is."""

    forward: tuple[str, ...] = field(default=(), metadata=named("forward", choices=grammar.FORWARDED))
    """Sockets of the host that are let through. `"ssh-agent"`: `ssh` and `git` use your agent's keys.
    `"gpg-agent"`: `gpg` signs and decrypts with your keys, by the agent's restricted socket; the public keys
    are to be imported inside. `"wayland"` and `"x11"`: programs open windows on your display, and an X server
    lets each of its programs see what the others do. What is not there on entering is told and left out."""

    read_only: tuple[str, ...] = field(default=(), metadata=named("read-only", rule=grammar.PROJECT_PATH))
    """Paths of the project that can only be read inside, as far as they are there on entering:
    `["envforge.toml", ".git/hooks", ".git/config"]`. Worth it where code that you do not trust runs inside:
    what it writes there, your own shell, git or editor may run outside. What a spec wants beyond its
    directory has to be allowed in any case."""

    privileges: bool = field(default=False, metadata=named("privileges"))
    """Whether set-id programs such as `sudo`, and file capabilities such as those of `ping`, work inside.
    Needs another `user` than `"self"`, and a range of subordinate ids."""

    nested: bool = field(default=False, metadata=named("nested"))
    """Whether programs may make namespaces of their own, as browsers, `bwrap` and `podman` do for theirs. It
    opens more of the kernel to what runs inside, and whoever mounts a `/proc` of their own sees what is
    covered in the first one."""


@frozen
class Network:
    """`[network]`: what the environment sees of the network once it is entered. Builds never see any."""

    mode: str = field(default="host", metadata=named("mode", choices=("host", "private", "none")))
    """`"host"`: the host's network. `"private"`: a network of its own, in which programs inside have every
    port to themselves, and of which the host sees the ports that are published: `envforge run -p 3000:3000`.
    Connections come from `127.0.0.1` then. `"none"`: a loopback interface, and nothing else."""

    outbound: bool = field(default=True, metadata=named("outbound"))
    """Whether programs in a private network reach other machines; this one they do not reach by it, nor its
    loopback. Run by root it takes a host that forwards (`net.ipv4.ip_forward`), else the program `pasta`
    (package `passt`); where these are missing, the network is cut off, and `envforge doctor` says why.
    `false`: it is cut off in any case."""

    trust: str = field(default="host", metadata=named("trust", choices=("host", "environment")))
    """`"host"`: what the host trusts besides Debian's certificates, such as a company's own authority, is
    trusted inside too, by the system's bundle, Java's keystore and the variables that programs read; and the
    host's proxy variables (`https_proxy` and the like) are let through. Both are of the moment: they are in
    no layer. `"environment"`: only the environment's own certificates, and no proxies."""


@frozen
class Spec:
    """The keys at the top of the file, before its first table."""

    name: str = field(metadata=named("name", rule=grammar.NAME))
    """A label for the project: lower-case letters, digits and hyphens, 63 at most. What identifies a project
    is where its spec lies, so two may have one name."""

    debian: Debian = field(metadata=named("debian"))
    """The packages. The one table that must be there."""

    description: str = field(default="", metadata=named("description", rule=grammar.LINE))
    """What the environment is for, in a line."""

    requires_envforge: str = field(
        default="", metadata=named("requires-envforge", rule=grammar.LINE, otherwise="any release")
    )
    """Which releases of envforge the spec is for, as a Python version specifier: `">=0.1"`."""

    fetch: tuple[Fetch, ...] = field(default=(), metadata=named("fetch"))
    """Files and archives from anywhere, each a `[[fetch]]`."""

    files: tuple[LocalFile, ...] = field(default=(), metadata=named("files"))
    """Files of the project that become a part of the environment, each a `[[files]]`."""

    variables: Mapping[str, str] = field(
        factory=dict, metadata=named("variables", rule=grammar.VALUE, names=grammar.VARIABLE)
    )
    """Variables that are set inside: `APP_ENV = "development"`. Values are text."""

    shell: Shell = field(factory=Shell, metadata=named("shell"))
    """How the environment is entered."""

    mounts: tuple[Mount, ...] = field(default=(), metadata=named("mounts"))
    """Files and directories of the host that are seen inside, each a `[[mounts]]`."""

    network: Network = field(factory=Network, metadata=named("network"))
    """What is seen of the network."""

    secrets: Mapping[str, str] = field(
        factory=dict, metadata=named("secrets", rule=service_grammar.SECRET, names=grammar.NAME)
    )
    """What services read as files below `/run/secrets`, and nothing else ever shows: `db-password =
    "file:secrets/db.txt"`, relative to the spec, or `token = "variable:API_TOKEN"` of your environment. They
    are read when a service starts, and are in no lock, layer, log or record."""

    services: Mapping[str, Service] = field(
        factory=dict, metadata=named("services", names=service_grammar.SERVICE)
    )
    """Programs that `envforge up` runs, each a `[services.NAME]`."""

    limits: Limits = field(factory=Limits, metadata=named("limits"))
    """How much of the machine may be used."""


def tables(kind: type[AttrsInstance] = Spec, path: tuple[str, ...] = ()) -> Iterator[tuple[str, type]]:
    """Yield the header and the model of every table that a spec may have, the top (header `""`) first."""
    if not path:
        yield "", kind
    for attribute in fields(kind):
        inner = (*path, key_of(attribute).name)
        item = (get_args(attribute.type) or (None,))[-1]
        if has(attribute.type):
            yield f"[{'.'.join(inner)}]", attribute.type
            yield from tables(attribute.type, inner)
        elif get_origin(attribute.type) is Mapping and has(item):
            yield f"[{'.'.join(inner)}.NAME]", item
            yield from tables(item, (*inner, "NAME"))
        elif get_origin(attribute.type) is tuple and has(get_args(attribute.type)[0]):
            yield f"[[{'.'.join(inner)}]]", get_args(attribute.type)[0]
