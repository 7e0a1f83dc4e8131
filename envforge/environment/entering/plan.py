"""Makes the sandbox plan of a built environment and its spec; compiled, it is what the warm path caches.

Decides who the user is inside, which directories and files of the host are bind-mounted, and which variables
are set.
"""

import os
import pwd
from collections.abc import Iterator, Mapping
from typing import Final, Literal

from attrs import field, frozen

from envforge import config
from envforge.environment.entering import git, homes
from envforge.environment.entering.limits import limits_of
from envforge.environment.entering.system_files import Accounts, system_files
from envforge.environment.made import accounts, brought, model, own_files
from envforge.environment.made.accounts import User
from envforge.environment.made.brought import Brought
from envforge.environment.made.own_files import OwnFiles
from envforge.environment.projects import generations
from envforge.environment.projects.project import Project, real_path
from envforge.environment.projects.reach import source_of
from envforge.errors import SpecError, UsageError
from envforge.sandbox.ids.identity import Identity
from envforge.sandbox.inherited import PROXIES
from envforge.sandbox.masks import is_inside
from envforge.sandbox.plan.model import Account, Mount, SandboxPlan
from envforge.sources import registry
from envforge.store.layout import open_store

_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_SYSTEM_DIRECTORIES: Final = frozenset(
    {"/", "/bin", "/boot", "/dev", "/etc", "/lib", "/lib64", "/proc", "/run", "/sbin", "/sys", "/usr", "/var"}
)


@frozen
class RunOptions:
    """The command-line options that shape a plan; variables and the directory are given on entering."""

    volumes: tuple[tuple[str, str, bool], ...] = ()
    named: tuple[tuple[str, str, bool], ...] = ()
    """Named volumes, which `api/entering.py` finds or makes; no plan with them is kept for the warm path."""
    """Source, target, read-only."""
    user: str | None = None
    is_private: bool = False
    """Ports are published, which takes a private network."""
    limits: tuple[tuple[str, str], ...] = ()
    """Options that go before the spec's [limits]: name, without dashes, and value as written."""


@frozen
class Inside:
    """The user inside, and the passwd and group files that list them."""

    user: User
    account: Account | None
    """None for the caller's own uid."""
    passwd: str = field(repr=False)
    group: str = field(repr=False)


def make_plan(project: Project, environment: str, identity: Identity, options: RunOptions) -> SandboxPlan:
    """Return the sandbox plan of a built environment.

    Raises NotFoundError for a user that it does not have, SpecError for a mount whose source is missing.
    """
    store = open_store(project.store_path)
    known = model.load(store, environment)
    roots = [f"{store.layer(identity.held, layer.digest)}/root" for layer in known.layers]
    spec = project.spec
    own = own_files.read(identity, roots, [path for source in registry.LOCKED for path in source.tools])
    own_layers = brought.read(store, identity.held, known)
    inside = _who(options.user or spec.shell.user, own)
    accounts_inside = Accounts(inside.passwd, inside.group, is_root=_is_root(inside))
    files = system_files(project, own, own_layers, accounts_inside, os.environ)
    return SandboxPlan(
        identity=identity,
        store=store.path,
        layers=tuple(layer.digest for layer in known.layers),
        lock_file=store.environment_lock(environment),
        hostname=project.host_name,
        project=project.spec_path,
        environment=project.environment,
        label=project.label,
        command=spec.shell.command,
        cwd=project.directory,
        user=inside.account or "self",
        mounts=(*files.mounts, *_mounts(project, inside, own, own_layers, options)),
        forward=spec.shell.forward,
        runtime=_runtime(inside),
        read_only=tuple(os.path.join(project.directory, path) for path in spec.shell.read_only),
        private=_private(project),
        foreign=_foreign(project),
        variables=tuple(_variables(project, inside, files.variables).items()),
        passed=(*spec.shell.pass_, *_proxies(project)),
        locales=own.locales,
        limits=limits_of(spec.limits, options.limits),
        network=_network(project, options),
        outbound=spec.network.outbound,
        privileges=spec.shell.privileges,
        nested_namespaces=spec.shell.nested,
    )


def _network(project: Project, options: RunOptions) -> Literal["host", "none", "private"]:
    mode = project.spec.network.mode
    if mode == "none":
        if options.is_private:
            raise UsageError(
                f'{project.label} has `mode = "none"` in its [network]: no port of it can be published',
                hint='write `mode = "private"` in the spec, or leave -p away',
            )
        return "none"
    return "private" if options.is_private or mode == "private" else "host"


def _is_root(inside: Inside) -> bool:
    return inside.account is not None and inside.account.uid == 0


def _runtime(inside: Inside) -> str:
    return f"/run/user/{inside.user.uid}"


def _who(name: str, own: OwnFiles) -> Inside:
    passwd, group = own.passwd, own.group
    if name == "self" and os.getuid() != 0:
        user = _own_user()
        return Inside(
            user, None, accounts.with_user(passwd, user), accounts.with_group(group, user.name, user.gid)
        )
    wanted = "root" if name == "self" else name
    user = accounts.named(passwd, wanted)
    account = Account(user.name, user.uid, user.gid, accounts.groups_of(group, user.name))
    return Inside(user, None if name == "self" else account, passwd, group)


def _own_user() -> User:
    uid, gid = os.getuid(), os.getgid()
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        return User(f"u{uid}", uid, gid, f"/home/u{uid}")
    return User(entry.pw_name, uid, gid, _absolute(entry.pw_dir), gecos=entry.pw_gecos)


def _absolute(path: str) -> str:
    return path if path.startswith("/") else "/"


def _mounts(
    project: Project, inside: Inside, own: OwnFiles, own_layers: Brought, options: RunOptions
) -> Iterator[Mount]:
    """Yield the mounts, shallow targets first, so that none covers an earlier one; volumes come last."""
    yield from sorted(
        [
            *_home(project, inside, own, own_layers),
            _project_directory(project),
            *_repository(project),
            *_spec_mounts(project, inside),
        ],
        key=lambda mount: mount.target.count("/"),
    )
    for source, target, read_only in options.volumes:
        yield Mount(_existing(real_path(source)), target, read_only)


def _foreign(project: Project) -> tuple[str, int, int] | None:
    """Return the project directory with its uid and gid where root enters another user's project."""
    status = os.stat(project.directory)
    if os.geteuid() != 0 or status.st_uid == 0:
        return None
    return project.directory, status.st_uid, status.st_gid


def _private(project: Project) -> tuple[str, ...]:
    """Return the directories that no mount may show."""
    runtime = {os.environ.get("XDG_RUNTIME_DIR", ""), f"/run/user/{os.getuid()}"}
    return (
        project.store_path,
        config.state_directory(),
        os.path.dirname(config.config_path()),
        *(f"{place}/envforge" for place in sorted(runtime) if place.startswith("/")),
    )


def _project_directory(project: Project) -> Mount:
    directory = project.directory
    for private in map(real_path, _private(project)):
        if is_inside(directory, private):
            raise SpecError(
                f"a project in {directory} cannot be entered: no sandbox may see {private}",
                hint="move the spec into a directory of its own",
            )
    if directory in _SYSTEM_DIRECTORIES:
        raise SpecError(
            f"a project in {directory} would cover the environment's own {directory}",
            hint="move the spec into a directory of its own",
        )
    return Mount(directory, directory)


def _repository(project: Project) -> Iterator[Mount]:
    """Yield the repository that a worktree or a submodule belongs to, at its own path."""
    directory = git.repository_of(project.directory).directory
    if directory and directory not in _SYSTEM_DIRECTORIES:
        yield Mount(directory, directory)


def _home(project: Project, inside: Inside, own: OwnFiles, own_layers: Brought) -> Iterator[Mount]:
    """Yield the home: the host's, or the project's own, kept between runs.

    A user that a package created keeps its home in the environment.
    """
    if inside.account is not None and inside.account.uid != 0:
        return
    if project.spec.shell.home == "host":
        # Only an existing directory can be hidden: code inside could create a missing one, and the
        # configuration in it.
        os.makedirs(os.path.dirname(config.config_path()), 0o700, exist_ok=True)
        yield Mount(_real_path(project, os.path.expanduser("~")), inside.user.home)
        return
    fetched, local = project.spec.fetch, project.spec.files
    targets = [*(one.target for one in fetched), *(one.target for one in local)]
    covered = [one for one in targets if f"{one}/".startswith(f"{inside.user.home.rstrip('/')}/")]
    for path in (*covered, own_layers.below(inside.user.home)):
        if path:
            raise SpecError(
                f"{path} would not be seen: the home covers it",
                hint="put it below /etc/skel, which a new home is made from, or mount it with [[mounts]]",
            )
    files = own.root_home if inside.user.uid == 0 and inside.user.home == "/root" else own.skeleton
    home = homes.private_home(generations.project_id(project.spec_path), files)
    yield Mount(home, inside.user.home, own=True)


def _spec_mounts(project: Project, inside: Inside) -> Iterator[Mount]:
    for mount in project.spec.mounts:
        source = source_of(project.directory, mount.source)
        target = inside.user.home + mount.target[1:] if mount.target.startswith("~") else mount.target
        within = project.directory if is_inside(source, project.directory) else ""
        place = source if within else _real_path(project, source)
        if not mount.optional:
            _existing(place)
        if within:
            _stays_within(mount.source, source, within)
        yield Mount(place, target, mount.read_only, mount.optional, within=within)


def _real_path(project: Project, source: str) -> str:
    """Return the real path of a source that consent was given for: links are not followed again (TOCTOU)."""
    return project.places.get(source) or real_path(source)


def _stays_within(written: str, source: str, directory: str) -> None:
    """Raise SpecError where a source in the project is a link out of it: code inside can plant one."""
    real = real_path(source)
    if not is_inside(real, directory):
        raise SpecError(
            f"the mount's source {written} is a link that leads out of the project, to {real}",
            hint=f'name the place itself: source = "{real}"',
        )


def _existing(source: str) -> str:
    if not os.path.exists(source):
        raise SpecError(
            f"the mount's source {source} does not exist", hint="make it, or say `optional = true` for it"
        )
    return source


def _proxies(project: Project) -> tuple[str, ...]:
    """Return the names of the proxy variables to pass; none without a way to other machines and trust."""
    network = project.spec.network
    leads_out = network.mode == "host" or (network.mode == "private" and network.outbound)
    return PROXIES if leads_out and network.trust == "host" else ()


def _variables(project: Project, inside: Inside, of_files: Mapping[str, str]) -> dict[str, str]:
    user = inside.user
    return {
        "PATH": _PATH,
        "HOME": user.home,
        "USER": user.name,
        "LOGNAME": user.name,
        "SHELL": user.shell,
        "XDG_RUNTIME_DIR": _runtime(inside),
        "ENVFORGE": project.label,
        **of_files,
        **project.spec.variables,
    }
