"""One configuration: maintainer scripts run offline over a farm, and what they wrote becomes a layer.

    upper        what they write: the layer
    scaffold     dpkg's database for just this set, and programs that stand in for real ones meanwhile
    below…       layers that are configured already
    farm         the packages' files

The scaffold is one of the lower layers, so nothing of it gets into the layer.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypedDict

from envforge.build import failure, keys, normalize, script
from envforge.build.dpkg_output import Output
from envforge.build.hearing import Hearing
from envforge.build.layer import Made, Notes
from envforge.build.scaffold import Scaffold, write_scaffold
from envforge.build.site import Site
from envforge.build.uncover import uncover
from envforge.errors import BuildError
from envforge.recipe.plan import Package, Step
from envforge.sandbox.chroot import Bind, run_in_tree
from envforge.sandbox.console import Console
from envforge.sandbox.owners.model import Owner
from envforge.sandbox.owners.run import run_supervised
from envforge.sources.debian import database, jks, quirks
from envforge.store import layers, listing
from envforge.store.listing import Entry
from envforge.store.merge import merged
from envforge.store.scan import scan

_LEAST_BYTES: Final = 1 << 20


class _Run(TypedDict):
    """What both ways of running take."""

    lowers: Sequence[str]
    upper: str
    work: str
    command: Sequence[str]
    environment: Mapping[str, str]
    console: Console
    binds: Sequence[Bind]


def run(
    site: Site, directory: str, step: Step, packages: Mapping[str, Package], below: Sequence[Made]
) -> tuple[list[Entry], Notes]:
    """Configure the step's packages over `below` (top to bottom); the tree comes to `directory/layer/root`.

    Raises BuildError where a package cannot be configured, with the end of what its script printed, and where
    a private key was made; StoreFullError where the disk is full.
    """
    upper = f"{directory}/layer/root"
    for path in (upper, f"{directory}/work", f"{directory}/scaffold"):
        os.makedirs(path, 0o755)
    scaffold = write_scaffold(site, f"{directory}/scaffold", step, packages, below)
    hearing = Hearing(site.config.script_timeout_s)
    code, owners = _run_scripts(site, directory, step, scaffold, below, hearing=hearing)
    if code:
        ended = failure.Ended(code, hearing.overdue_s, full=_is_full(directory))
        raise failure.explain(hearing.output, ended, len(step.configure))
    _check_configured(upper, hearing.output)
    changes = database.changed_database(upper)
    lowers = [made.layer.root for made in below]
    uncover(upper, f"{directory}/scaffold", lowers)
    jks.write_java_keystore(upper, lowers)
    normalize.remove_paths(upper, quirks.removed(packages))
    normalize.settle_times(upper, step.epoch)
    keys.refuse_made_keys(upper, _ships(packages), lambda: keys.published_keys(_key_files(site, packages)))
    return scan(upper, owners), {"database": database.changes_to_json(changes)}


def _run_scripts(
    site: Site, directory: str, step: Step, scaffold: Scaffold, below: Sequence[Made], *, hearing: Hearing
) -> tuple[int, dict[bytes, Owner] | None]:
    """Run the scripts; return their exit code, and the true owners where the disk cannot hold them."""
    text = script.configure_script(
        scaffold.preinsts,
        step.configure,
        first=len(below) == 1,
        unpack=scaffold.unpack,
        covered=scaffold.covered,
        settle=scaffold.settle,
    )
    with hearing.console as console:
        common = _Run(
            lowers=[f"{directory}/scaffold", *(made.layer.root for made in below)],
            upper=f"{directory}/layer/root",
            work=f"{directory}/work",
            command=["/bin/sh", "-c", text],
            environment=script.environment(step.epoch),
            console=console,
            binds=scaffold.binds,
        )
        if site.held == "flat":
            code, owners = run_supervised(**common, owners=_true_owners(site, below))
        else:
            code, owners = run_in_tree(**common), None
    hearing.output.end()
    return code, owners


def _true_owners(site: Site, below: Sequence[Made]) -> dict[bytes, Owner]:
    """Return what the disk cannot hold of the lower layers: other owners than root, devices, ACLs."""
    listings = [listing.load(layers.read_listing(site.store, site.held, made.layer.digest)) for made in below]
    owners = ((path, _true_owner(entry)) for path, entry in merged(listings).items())
    return {path: owner for path, owner in owners if owner != Owner()}


def _true_owner(entry: Entry) -> Owner:
    acls = tuple((name, value) for name, value in entry.xattrs if name.startswith(b"system.posix_acl_"))
    device_type = entry.type if entry.device else None
    return Owner(entry.uid, entry.gid, type=device_type, device=entry.device, xattrs=acls)


def _ships(packages: Mapping[str, Package]) -> Callable[[str], bool]:
    """Return what says whether one of the packages has a path."""
    return lambda path: any(
        path in package.facts.files or path.removeprefix("/usr") in package.facts.files
        for package in packages.values()
    )


def _key_files(site: Site, packages: Mapping[str, Package]) -> list[tuple[str, str]]:
    """Return the files of the packages that hold private keys: root of the tree, path in it."""
    return [
        (f"{site.store.tree(site.held, package.locked.sha256)}/root", path)
        for package in packages.values()
        for path in package.facts.private_keys
    ]


def _check_configured(upper: str, output: Output) -> None:
    with open(f"{upper}/var/lib/dpkg/status", encoding="utf-8", errors="surrogateescape") as file:
        left = database.unconfigured(file.read())
    if left:
        lines = "".join(f"\n  {line}" for line in output.step.lines)
        raise BuildError(f"not configured in the end: {', '.join(left)}{lines}")


def _is_full(directory: str) -> bool:
    """Return whether nothing can be written there: not even the log then says why a script failed."""
    status = os.statvfs(directory)
    return status.f_bavail * status.f_frsize < _LEAST_BYTES or (status.f_files > 0 and status.f_favail == 0)
