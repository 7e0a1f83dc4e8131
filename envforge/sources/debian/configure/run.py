"""Runs one configuration: maintainer scripts, offline, over an overlayfs whose upper becomes the layer.

    upper        files that the scripts write: the layer
    scaffold     dpkg's database for just this set, and stand-ins for some programs
    below…       layers that are configured already
    farm         the packages' files

The scaffold is a lower layer, so nothing of it gets into the upper.
"""

import os
import stat
import tempfile
from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypedDict

from attrs import frozen

from envforge.build import whiteouts
from envforge.build.layer import Made, Notes
from envforge.build.site import Site
from envforge.errors import BuildError
from envforge.kernel.tree import Tree
from envforge.key_files import jks
from envforge.sandbox.confined.console import Console
from envforge.sandbox.confined.in_tree import Bind, run_in_tree
from envforge.sandbox.owners.model import Owner
from envforge.sandbox.owners.run import run_supervised
from envforge.sources.debian.configure import conffiles, half_built, script, unpacking
from envforge.sources.debian.configure.cleaning import keys, normalize, secrets
from envforge.sources.debian.configure.cleaning.uncover import uncover
from envforge.sources.debian.configure.output import failure
from envforge.sources.debian.configure.output.dpkg_output import Output
from envforge.sources.debian.configure.output.hearing import Hearing
from envforge.sources.debian.configure.scaffold import Scaffold, open_farm, write_scaffold
from envforge.sources.debian.dpkg import database
from envforge.sources.debian.recipes.plan import Package, Step
from envforge.sources.debian.recipes.waves import waves
from envforge.store import layers, listing
from envforge.store.listing import Entry
from envforge.store.merge import merged
from envforge.store.scan import scan

Report = Callable[[str], None]
_LEAST_BYTES: Final = 1 << 20


class _Run(TypedDict):
    """The arguments that `run_in_tree` and `run_supervised` have in common."""

    lowers: Sequence[str]
    upper: str
    work: str
    command: Sequence[str]
    environment: Mapping[str, str]
    console: Console
    binds: Sequence[Bind]


def run(
    site: Site,
    directory: str,
    step: Step,
    packages: Mapping[str, Package],
    below: Sequence[Made],
    *,
    report: Report = lambda _text: None,
) -> tuple[list[Entry], Notes]:
    """Configure the step's packages over `below` (top to bottom), into `directory/layer/root`.

    Return the layer's entries and notes. `report` gets the scripts' output, bytes that are no UTF-8 escaped
    (`surrogateescape`). Raises BuildError if a package cannot be configured, with the end of its script's
    output, or if a private key was made; StoreFullError if the disk is full.
    """
    upper = f"{directory}/layer/root"
    os.makedirs(upper, 0o755)
    scaffolding = _scaffold(site, directory, step, packages, below, report=report)
    report(f"envforge: {step.recipe.name}, {len(step.configure)} packages\n")
    owners = _run_scripts(scaffolding)
    changes = database.changed_database(upper)
    lowers = [made.layer.root for made in below]
    uncover(upper, f"{directory}/scaffold", lowers)
    jks.write_java_keystore(upper, lowers)
    secrets.remove_machine_state(upper, packages)
    ships = keys.ships(packages)
    normalize.settle_compressed(upper, step.epoch, ships)
    normalize.settle_times(upper, step.epoch)
    keys.refuse_made_keys(upper, ships, lambda: keys.published_keys(keys.key_files(site, packages)))
    entries = _settled(scan(upper, owners), scaffolding)
    return entries, {"database": database.changes_to_json(changes)}


@frozen
class _Scaffolding:
    """One configuration while it runs."""

    site: Site
    directory: str
    step: Step
    below: Sequence[Made]
    scaffold: Scaffold
    report: Report
    """Called with each piece of the scripts' output."""

    def heard(self, data: bytes) -> None:
        self.report(data.decode("utf-8", "surrogateescape"))

    @property
    def upper(self) -> str:
        return f"{self.directory}/layer/root"

    @property
    def first(self) -> bool:
        """Return whether this is the base: nothing is configured yet, and no file is hidden from scripts."""
        return len(self.below) == 1

    def listings(self) -> list[bytes]:
        """Return the listings of the layers below, top to bottom."""
        read = layers.read_listing
        return [read(self.site.store, self.site.held, made.layer.digest) for made in self.below]


def _scaffold(
    site: Site,
    directory: str,
    step: Step,
    packages: Mapping[str, Package],
    below: Sequence[Made],
    *,
    report: Report,
) -> _Scaffolding:
    for name in ("scaffold", "waiting"):
        os.mkdir(f"{directory}/{name}", 0o755)
    scaffold = write_scaffold(site, directory, step, packages, below)
    return _Scaffolding(site, directory, step, below, scaffold, report)


def _run_scripts(place: _Scaffolding) -> dict[bytes, Owner] | None:
    """Run the scripts, wave by wave; return the true owners if the disk cannot hold them.

    Raises BuildError, StoreFullError if one fails.
    """
    step, scaffold = place.step, place.scaffold
    if place.first:
        early = [package for package in script.EARLY if package in step.configure]
        whole = scaffold.unpacking([name for name in step.configure if name not in step.unpack], step.unpack)
        return _run(
            place, script.configure_script(whole, early=early, settle=scaffold.settle), None, last=True
        )
    owners = None
    left = list(waves(step, scaffold.packages))
    while left:
        wave = left[0]
        hidden = _hide(place, [name for one in left for name in one.preinsts], len(left))
        text = script.unpack_script(
            scaffold.unpacking(wave.preinsts, wave.unpack), wave.configure, scaffold.settle
        )
        owners = _run(place, text, owners, hidden=hidden)
        _make_room(place.upper, scaffold, wave.preinsts)
        left = left[1:]
    covered = [path for paths in scaffold.covered.values() for path in paths]
    registered = [(name, scaffold.packages[name].facts.qualified_name) for name in step.registered]
    text = script.configure_script(
        script.Unpacking(), registered=registered, covered=covered, settle=scaffold.settle
    )
    return _run(place, text, owners, last=True)


def _hide(place: _Scaffolding, packages: Sequence[str], number: int) -> str | None:
    """Make the layer that hides `packages` from scripts; return its root, None if there are none."""
    if not packages:
        return None
    root = f"{place.directory}/hidden{number}"
    os.mkdir(root, 0o755)
    farm = open_farm(place.site, place.below[-1])
    scaffold = place.scaffold
    unpacking.lay_hidden(root, farm, scaffold.packages, packages, scaffold.waiting)
    return root


def _make_room(upper: str, scaffold: Scaffold, unpacked: Sequence[str]) -> None:
    """Remove files that preinsts left where their own packages' files lie: dpkg would unpack over them."""
    with Tree(upper) as tree:
        for name in unpacked:
            facts = scaffold.packages[name].facts
            kept = {unpacking.place(conffile) for conffile in facts.conffiles}
            for path in unpacking.paths([scaffold.packages[name]]) - kept:
                status = tree.stat(path, follow=False)
                if status is not None and not stat.S_ISDIR(status.st_mode):
                    tree.remove(path)


def _run(
    place: _Scaffolding,
    text: str,
    owners: dict[bytes, Owner] | None,
    *,
    hidden: str | None = None,
    last: bool = False,
) -> dict[bytes, Owner] | None:
    """Run one script over the layers; takes the true owners in the upper before it, returns those after it.

    After the `last` script every package has to be configured.
    """
    directory, site = place.directory, place.site
    work = tempfile.mkdtemp(prefix="work", dir=directory)
    lowers = [made.layer.root for made in place.below]
    between = [*([hidden] if hidden else []), *([] if place.first else [f"{directory}/waiting"])]
    hearing = Hearing(site.config.script_timeout_s, place.heard)
    with hearing.console as console:
        common = _Run(
            lowers=[f"{directory}/scaffold", *lowers[:-1], *between, lowers[-1]],
            upper=place.upper,
            work=work,
            command=["/bin/sh", "-c", text],
            environment=script.environment(place.step.epoch),
            console=console,
            binds=place.scaffold.binds,
        )
        if site.held == "flat":
            known = _true_owners(place) if owners is None else _owners_now(place, owners)
            code, owners = run_supervised(**common, owners=known)
        else:
            code = run_in_tree(**common)
    hearing.output.end()
    if code:
        ended = failure.Ended(code, hearing.overdue_s, full=_is_full(directory))
        error = failure.explain(hearing.output, ended, len(place.step.configure))
        if site.enter_failed:
            half_built.enter(
                error,
                directory=directory,
                upper=place.upper,
                lowers=common["lowers"],
                binds=common["binds"],
                environment=common["environment"],
                owners=None if owners is None else _owners_now(place, owners),
            )
        raise error
    if last:
        _check_configured(place.upper, hearing.output)
    return owners


def _owners_now(place: _Scaffolding, owners: Mapping[bytes, Owner]) -> dict[bytes, Owner]:
    """Return the true owners after an earlier script: the upper's take precedence over the lower layers'."""
    with Tree(place.upper) as tree:
        changed = {path for path, _, _ in tree.walk()}
    below = {path: owner for path, owner in _true_owners(place).items() if path not in changed}
    return below | dict(owners)


def _settled(entries: list[Entry], place: _Scaffolding) -> list[Entry]:
    """Remove conffiles that the layers below show anyway; turn opaque directories into explicit whiteouts."""
    texts = place.listings()
    indexes = [listing.index(text) for text in texts]

    def find(path: bytes) -> Entry | None:
        line = next((index[path] for index in indexes if path in index), None)
        entry = None if line is None else listing.parse_entry(line)
        return None if entry is None or entry.type == "w" else entry

    settled = conffiles.settle(place.upper, entries, place.scaffold.waiting, find)
    changes = whiteouts.explicit(
        settled, lambda path: find(path) is not None, lambda: merged([listing.load(text) for text in texts])
    )
    whiteouts.apply(place.upper, changes)
    return whiteouts.applied(settled, changes)


def _true_owners(place: _Scaffolding) -> dict[bytes, Owner]:
    """Return, for the lower layers, what a flat store cannot hold: owners other than root, devices, ACLs."""
    shown = merged([listing.load(text) for text in place.listings()])
    owners = {path: _true_owner(entry) for path, entry in shown.items()}
    owners |= {path + unpacking.NEW: owners[path] for path in place.scaffold.waiting if path in owners}
    return {path: owner for path, owner in owners.items() if owner != Owner()}


def _true_owner(entry: Entry) -> Owner:
    acls = tuple((name, value) for name, value in entry.xattrs if name.startswith(b"system.posix_acl_"))
    device_type = entry.type if entry.device else None
    return Owner(entry.uid, entry.gid, type=device_type, device=entry.device, xattrs=acls)


def _check_configured(upper: str, output: Output) -> None:
    with Tree(upper) as tree:
        left = database.unconfigured(tree.read_text("/var/lib/dpkg/status"))
    if left:
        lines = "".join(f"\n  {line}" for line in output.step.lines)
        raise BuildError(f"not configured in the end: {', '.join(left)}{lines}")


def _is_full(directory: str) -> bool:
    """Return whether nothing can be written there: then even the output may not say why a script failed."""
    status = os.statvfs(directory)
    return status.f_bavail * status.f_frsize < _LEAST_BYTES or (status.f_files > 0 and status.f_favail == 0)
