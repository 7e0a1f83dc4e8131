"""One configuration: maintainer scripts run offline over a farm, and what they wrote becomes a layer.

    upper        what they write: the layer
    scaffold     dpkg's database for just this set, and programs that stand in for real ones meanwhile
    below…       layers that are configured already
    farm         the packages' files

The scaffold is one of the lower layers, so nothing of it gets into the layer, and real files come to light again.
"""

import os
import re
from collections.abc import Mapping, Sequence
from typing import Final

from envforge.build import bytecode, normalize, script
from envforge.build.layer import Made, Notes
from envforge.build.scaffold import Scaffold, write_scaffold
from envforge.build.site import Site
from envforge.errors import BuildError
from envforge.recipe.plan import Package, Step
from envforge.sandbox.chroot import run_in_tree
from envforge.sandbox.owners.model import Owner
from envforge.sandbox.owners.run import run_supervised
from envforge.sources.debian import database, quirks
from envforge.store import layers, listing
from envforge.store.listing import Entry
from envforge.store.merge import merged
from envforge.store.scan import scan

_FAILED: Final = re.compile(r"^dpkg: error processing package (\S+)", re.MULTILINE)
_LOG_LINES: Final = 20
_HOSTNAME: Final = "localhost"


def run(
    site: Site, directory: str, step: Step, packages: Mapping[str, Package], below: Sequence[Made]
) -> tuple[list[Entry], Notes]:
    """Configure the step's packages over `below` (top to bottom); the tree comes to `directory/layer/root`.

    Raises BuildError, with the end of the scripts' output, where a package cannot be configured or a private
    key was made.
    """
    upper = f"{directory}/layer/root"
    for path in (upper, f"{directory}/work", f"{directory}/scaffold"):
        os.makedirs(path, 0o755)
    scaffold = write_scaffold(site, f"{directory}/scaffold", step, packages, below)
    lowers = [f"{directory}/scaffold", *(made.layer.root for made in below)]
    owners = _configure(site, directory, step, scaffold, lowers, below)
    changes = database.changed_database(upper)
    bytecode.mend(upper)
    normalize.remove_paths(upper, quirks.removed(packages))
    normalize.settle_times(upper, step.epoch)
    normalize.refuse_private_keys(upper)
    return scan(upper, owners), {"database": database.changes_to_json(changes)}


def _configure(
    site: Site,
    directory: str,
    step: Step,
    scaffold: Scaffold,
    lowers: Sequence[str],
    below: Sequence[Made],
) -> dict[bytes, Owner] | None:
    """Run the scripts; return the true owners of what they wrote where the disk cannot hold them."""
    upper, work, log = f"{directory}/layer/root", f"{directory}/work", f"{directory}/log"
    command = [
        "/bin/sh",
        "-c",
        script.configure_script(scaffold.preinsts, step.configure, first=not below[1:]),
    ]
    environment = script.environment(step.epoch)
    owners: dict[bytes, Owner] | None = None
    with open(log, "wb") as output:
        if site.held == "flat":
            code, owners = run_supervised(
                lowers=lowers, upper=upper, work=work, command=command, environment=environment,
                output=output.fileno(), binds=scaffold.binds, hostname=_HOSTNAME,
                owners=_true_owners(site, below),
            )  # fmt: skip
        else:
            code = run_in_tree(
                lowers=lowers, upper=upper, work=work, command=command, environment=environment,
                output=output.fileno(), binds=scaffold.binds, hostname=_HOSTNAME,
            )  # fmt: skip
    if code:
        raise _failure(step, code, log)
    return owners


def _true_owners(site: Site, below: Sequence[Made]) -> dict[bytes, Owner]:
    """Return the paths of the lower layers that do not belong to root, by their listings."""
    listings = [listing.load(layers.read_listing(site.store, site.held, made.layer.digest)) for made in below]
    return {
        path: Owner(entry.uid, entry.gid)
        for path, entry in merged(listings).items()
        if entry.uid or entry.gid
    }


def _failure(step: Step, code: int, log: str) -> BuildError:
    with open(log, encoding="utf-8", errors="replace") as file:
        text = file.read()
    failed = sorted(set(_FAILED.findall(text)))
    what = ", ".join(failed) if failed else f"{len(step.configure)} packages"
    tail = "\n".join(f"  {line}" for line in text.splitlines()[-_LOG_LINES:])
    return BuildError(
        f"{what} could not be configured (exit code {code}):\n{tail}",
        hint="does the package need the network or a running service to be installed?",
    )
