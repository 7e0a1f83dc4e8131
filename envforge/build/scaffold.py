"""What lies over the farm only while packages are configured: dpkg's database for the set, and stand-ins."""

from collections.abc import Mapping, Sequence
from typing import Final

from attrs import frozen

from envforge.build import bytecode
from envforge.build.layer import Made
from envforge.build.script import COVERS, Preinst
from envforge.build.site import Site
from envforge.recipe.plan import Package, Step, order
from envforge.sandbox.chroot import Bind
from envforge.sandbox.tree import Tree
from envforge.sources.debian import database, quicker, quirks, users
from envforge.sources.debian.database import Installed
from envforge.store import blobs

_ARCHIVES: Final = "/tmp/archives"  # noqa: S108 - inside the sandbox


@frozen
class Scaffold:
    """What the script and the sandbox must know of it."""

    preinsts: tuple[Preinst, ...]
    binds: tuple[Bind, ...]
    """Archives that dpkg itself unpacks."""
    unpack: tuple[str, ...]
    """Where it finds them, inside."""
    covered: tuple[str, ...]
    """Files in them that stand-ins take the place of."""
    settle: tuple[str, ...]
    """Commands that wait for what goes on in the background."""


def write_scaffold(
    site: Site, root: str, step: Step, packages: Mapping[str, Package], below: Sequence[Made]
) -> Scaffold:
    """Fill the empty directory `root`; `below` are the layers beneath, the farm last."""
    names = [name for name in order(packages) if name not in step.unpack]
    installed = [_installed(site, step, packages[name]) for name in names]
    changes = database.joined([database.changes_from_json(made.notes["database"]) for made in below[:-1]])
    database.write_database(root, installed, changes=changes, activated=step.triggers)
    _lay_stand_ins(root, quirks.stand_ins(names))
    settle = bytecode.lay_compiler(root, below[-1].layer.root)
    users.lay_numbers(root, below[-1].layer.root)
    quicker.lay_quicker(root, below[-1].layer.root)
    covered = _covered(site, step, packages)
    _lay_stand_ins(root, {COVERS + path: text for path, text in covered.items()})
    return Scaffold(
        preinsts=tuple(
            Preinst(facts.name, facts.architecture, f"/var/lib/dpkg/info/{facts.qualified_name}.preinst")
            for facts in (packages[name].facts for name in step.configure if name not in step.unpack)
            if "preinst" in facts.members
        ),
        binds=tuple((_checked(site, packages[name]), _inside(packages[name]), True) for name in step.unpack),
        unpack=tuple(_inside(packages[name]) for name in step.unpack),
        covered=tuple(sorted(covered)),
        settle=settle,
    )


def _covered(site: Site, step: Step, packages: Mapping[str, Package]) -> dict[str, str]:
    """Return what stands in for files of archives that dpkg itself unpacks, over the scaffold."""
    shipped = {path for name in step.unpack for path in packages[name].facts.files}
    programs = quirks.stand_ins(step.unpack)
    covered = {path: text for path, text in programs.items() if {path, path.removeprefix("/usr")} & shipped}
    for name in step.unpack:
        tree = site.store.tree(site.held, packages[name].locked.sha256)
        covered |= users.numbered_files(f"{tree}/root")
    return covered


def _installed(site: Site, step: Step, package: Package) -> Installed:
    tree = site.store.tree(site.held, package.locked.sha256)
    return Installed(
        package.facts,
        "unpacked" if package.facts.name in step.configure else "installed",
        f"{tree}/control",
        auto=not package.locked.asked,
    )


def _lay_stand_ins(root: str, programs: Mapping[str, str]) -> None:
    with Tree(root) as tree:
        for inside, text in programs.items():
            mode = 0o755 if text.startswith("#!") else 0o644  # programs that any user inside may run
            tree.write(inside, text.encode(), mode=mode)


def _checked(site: Site, package: Package) -> str:
    """Return where the archive that dpkg shall unpack lies, once its bytes have been hashed."""
    with blobs.opened(site.store, package.locked.sha256):
        return site.store.blob(package.locked.sha256)


def _inside(package: Package) -> str:
    return f"{_ARCHIVES}/{package.locked.sha256}.deb"
