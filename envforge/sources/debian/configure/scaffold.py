"""The scaffold, a layer over the farm while packages are configured: dpkg's database and stand-ins."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

from attrs import evolve, frozen

from envforge.build.layer import Made
from envforge.build.site import Site
from envforge.kernel.tree import Tree
from envforge.sandbox.confined.in_tree import Bind
from envforge.sources.debian.configure import unpacking
from envforge.sources.debian.configure.script import COVERS, Preinst, Unpacking
from envforge.sources.debian.dpkg import database
from envforge.sources.debian.dpkg.database import Installed
from envforge.sources.debian.dpkg.facts import Conffile
from envforge.sources.debian.quirks import bytecode, quicker, users
from envforge.sources.debian.quirks import table as quirks
from envforge.sources.debian.recipes.plan import Package, Step, order
from envforge.store import blobs, layers, listing

_ARCHIVES: Final = "/tmp/archives"  # noqa: S108 - inside the sandbox


@frozen
class Scaffold:
    """What script and sandbox must know of the scaffold."""

    packages: Mapping[str, Package]
    """The step's packages, by id."""
    binds: tuple[Bind, ...]
    """Archives that dpkg itself unpacks, mounted into the sandbox."""
    covered: Mapping[str, tuple[str, ...]]
    """Files of those archives that stand-ins replace, by package."""
    settle: tuple[str, ...]
    """Commands that wait for background work."""
    waiting: tuple[bytes, ...]
    """Conffiles that dpkg is to place."""

    def unpacking(self, preinsts: Iterable[str], unpack: Iterable[str]) -> Unpacking:
        """Return the part of a script that unpacks: preinsts to run, archives to unpack, files to cover."""
        facts = [self.packages[name].facts for name in preinsts]
        unpacked = tuple(unpack)
        return Unpacking(
            tuple(
                Preinst(one.name, one.architecture, f"/var/lib/dpkg/info/{one.qualified_name}.preinst")
                for one in facts
                if "preinst" in one.members
            ),
            tuple(_inside(self.packages[name]) for name in unpacked),
            tuple(path for name in unpacked for path in self.covered[name]),
        )


def write_scaffold(
    site: Site, directory: str, step: Step, packages: Mapping[str, Package], below: Sequence[Made]
) -> Scaffold:
    """Fill the empty `directory/scaffold`; `below` are the layers beneath, the farm last.

    Over a configured layer, conffiles of packages not configured yet go into the empty `directory/waiting`.
    """
    root = f"{directory}/scaffold"
    names = [name for name in order(packages) if name not in step.unpack]
    farm = below[-1].layer.root
    _lay_stand_ins(root, quirks.stand_ins(names))
    settle = bytecode.lay_compiler(root, farm)
    users.lay_numbers(root, farm)
    quicker.lay_quicker(root, farm)
    covered = {name: _covered(site, packages[name]) for name in step.unpack}
    for programs in covered.values():
        _lay_stand_ins(root, {COVERS + path: text for path, text in programs.items()})
    conffiles = _lay_waiting(directory, step, packages, open_farm(site, below[-1])) if below[:-1] else ()
    installed = [_installed(site, step, packages[name], conffiles) for name in names]
    changes = database.joined([database.changes_from_json(made.notes["database"]) for made in below[:-1]])
    database.write_database(root, installed, changes=changes, activated=step.triggers)
    return Scaffold(
        packages,
        binds=tuple((_checked(site, packages[name]), _inside(packages[name]), True) for name in step.unpack),
        covered={name: tuple(sorted(programs)) for name, programs in covered.items()},
        settle=settle,
        waiting=conffiles,
    )


def _lay_waiting(
    directory: str, step: Step, packages: Mapping[str, Package], farm: unpacking.Farm
) -> tuple[bytes, ...]:
    configure = [packages[name] for name in step.configure if name not in step.unpack]
    with Tree(f"{directory}/scaffold") as taken:
        return unpacking.lay_conffiles(f"{directory}/waiting", farm, configure, taken)


def open_farm(site: Site, farm: Made) -> unpacking.Farm:
    """Return a step's farm with its listing."""
    text = layers.read_listing(site.store, site.held, farm.layer.digest)
    return unpacking.Farm(farm.layer.root, listing.index(text), chown=site.held != "flat")


def _covered(site: Site, package: Package) -> dict[str, str]:
    """Return path and text of the stand-ins for files of an archive that dpkg itself unpacks."""
    shipped = frozenset(package.facts.files)
    programs = quirks.stand_ins([package.facts.name])
    covered = {path: text for path, text in programs.items() if {path, path.removeprefix("/usr")} & shipped}
    tree = site.store.tree(site.held, package.locked.sha256)
    return covered | users.numbered_files(f"{tree}/root")


def _installed(site: Site, step: Step, package: Package, waiting: Collection[bytes]) -> Installed:
    tree = site.store.tree(site.held, package.locked.sha256)
    facts = package.facts
    return Installed(
        evolve(facts, conffiles=tuple(_unplaced(one, waiting) for one in facts.conffiles)),
        "unpacked" if facts.name in step.configure else "installed",
        f"{tree}/control",
        auto=not package.locked.asked,
        awaited=step.awaited.get(facts.name, ()),
    )


def _unplaced(conffile: Conffile, waiting: Collection[bytes]) -> Conffile:
    """Return a conffile as dpkg knows it: without a checksum until it has placed it."""
    return evolve(conffile, md5="") if unpacking.place(conffile) in waiting else conffile


def _lay_stand_ins(root: str, programs: Mapping[str, str]) -> None:
    with Tree(root) as tree:
        for inside, text in programs.items():
            mode = 0o755 if text.startswith("#!") else 0o644  # programs that any user inside may run
            tree.write(inside, text.encode(), mode=mode)


def _checked(site: Site, package: Package) -> str:
    """Verify the SHA-256 of an archive that dpkg will unpack; return its path in the store."""
    with blobs.opened(site.store, package.locked.sha256):
        return site.store.blob(package.locked.sha256)


def _inside(package: Package) -> str:
    return f"{_ARCHIVES}/{package.locked.sha256}.deb"
