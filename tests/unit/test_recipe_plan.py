import pytest

from envforge.digest import canonical_json, digest_of
from envforge.sources.debian.dpkg import relations
from envforge.sources.debian.dpkg.facts import Facts, Interest
from envforge.sources.debian.model import LockedPackage
from envforge.sources.debian.recipes import activity, plan
from envforge.sources.debian.recipes.plan import Package


def facts(name, *, fields="", scripts=(), interests=(), activates=(), files=(), mtime=100, diverts=False):
    return Facts(
        sha256=sha(name),
        name=name,
        version="1",
        architecture="amd64",
        multi_arch="no",
        control=f"Package: {name}\n{fields}",
        members=dict.fromkeys(scripts, "0" * 64),
        conffiles=(),
        interests=tuple(Interest(trigger, waits=False) for trigger in interests),
        activates=tuple(Interest(trigger, waits=False) for trigger in activates),
        newest_mtime=mtime,
        files=tuple(files),
        private_keys=(),
        diverts=diverts,
    )


def sha(name):
    return digest_of(name)


def package(name, *, base=False, depends="", pre_depends="", asked=False, **about):
    texts = (("Depends", depends), ("Pre-Depends", pre_depends))
    fields = "".join(f"{field}: {value}\n" for field, value in texts if value)
    locked = LockedPackage(name, "1", "amd64", "a", f"pool/{name}.deb", 1, sha(name), asked=asked, base=base)
    return Package(locked, facts(name, fields=fields, **about))


def system(*more):
    packages = [
        package("base-files", base=True, depends="libc"),
        package("libc", base=True, scripts=("postinst",)),
        package("mime", scripts=("postinst",), interests=("/usr/share/mime", "named", "ldconfig")),
        *more,
    ]
    return {one.locked.name: one for one in packages}


def steps(packages):
    base = plan.base_step({name: one for name, one in packages.items() if one.locked.base})
    return base, plan.rest_step(packages, base)


def test_canonical_json_has_one_text_and_no_floats():
    assert canonical_json({"b": [1, "é", None, True], "a": {}}) == '{"a":{},"b":[1,"é",null,true]}'.encode()
    for bad in (1.5, {"a": [0.0]}, {1: "x"}):
        with pytest.raises(TypeError):
            canonical_json(bad)


def test_base_is_the_essential_closure_and_rest_what_else_is_active():
    base, rest = steps(system(package("inert", asked=True)))
    assert base.configure == ("libc",)
    assert base.present == ("base-files",)
    assert rest.configure == ("mime",)
    assert "inert" not in rest.present
    assert rest.recipe.canonical["lower"] == [base.recipe.key]


def test_what_could_do_the_same_as_a_package_of_the_base_is_not_of_the_base():
    """dpkg | install-info, and awk: gawk and mawk provide it, mawk is required."""
    system = {
        "sed": {"Pre-Depends": "dpkg (>= 1.15.4) | install-info"},
        "base-files": {"Pre-Depends": "awk", "Depends": "sed"},
        "dpkg": {"Depends": "tar"},
        "tar": {},
        "mawk": {"Provides": "awk"},
    }
    more = {"gawk": {"Provides": "awk", "Depends": "libsigsegv"}, "libsigsegv": {}, "install-info": {}}
    start = ["base-files", "dpkg"]
    assert relations.least_closure(start, system) == set(system)
    assert relations.least_closure(start, system | more) == set(system)
    assert relations.closure(start, system | more) == set(system | more)
    without_dpkg = relations.least_closure(["sed"], {"sed": system["sed"], "install-info": {}})
    assert without_dpkg == {"sed", "install-info"}


def test_an_inert_package_leaves_both_configurations_alone():
    before, after = steps(system()), steps(system(package("inert", files=["/usr/bin/inert"])))
    assert [step.recipe.key for step in before] == [step.recipe.key for step in after]


def test_what_no_configuration_looks_at_has_a_farm_of_its_own_over_the_last_steps():
    packages = system(package("aaa"), package("zzz"))
    base, rest = steps(packages)
    made = plan.inert_recipe(packages, rest)
    assert made.canonical["lower"] == [rest.farm.key]
    assert set(made.canonical["packages"]) == {sha(name) for name in packages}
    assert plan.inert_recipe(system(), steps(system())[1]) is None
    assert plan.inert_recipe(packages, base).canonical["lower"] == [base.farm.key]


@pytest.mark.parametrize(
    "about",
    [
        {"scripts": ("preinst",)},
        {"scripts": ("config",)},
        {"interests": ("mine",)},
        {"activates": ("named",)},
        {"files": ("/usr/share/mime/packages/x.xml",)},
    ],
)
def test_what_makes_a_package_active(about):
    packages = system(package("other", **about))
    assert "other" in activity.active(plan_facts(packages))


@pytest.mark.parametrize(
    "about",
    [
        {"scripts": ("prerm", "postrm")},
        {"activates": ("ldconfig",)},
        {"activates": ("nobody",)},
        {"files": ("/usr/share/mimetypes",)},
    ],
)
def test_what_does_not(about):
    packages = system(package("other", **about))
    assert "other" not in activity.active(plan_facts(packages))


def plan_facts(packages):
    return {name: one.facts for name, one in packages.items()}


def test_new_files_fire_triggers_of_packages_below():
    packages = system(
        package("watcher", base=True, interests=("/usr/share/x",)),
        package("new", scripts=("postinst",), files=("/usr/share/x/y",)),
    )
    base, rest = steps(packages)
    assert "watcher" in base.configure
    assert rest.triggers == ("/usr/share/x",)


def test_a_package_that_diverts_is_unpacked_by_dpkg_and_is_in_no_farm():
    packages = system(package("diverter", scripts=("preinst",), diverts=True))
    _, rest = steps(packages)
    assert rest.unpack == ("diverter",)
    assert sha("diverter") not in rest.farm.canonical["packages"]
    assert sha("diverter") in rest.recipe.canonical["packages"]


APT = "/usr/lib/apt/apt-extracttemplates"


@pytest.mark.parametrize(
    ("files", "debconf", "registered"),
    [((APT,), "debconf", ("asks-never", "silent")), ((), "debconf", ()), ((APT,), "cdebconf", ())],
)
def test_questions_are_registered_where_apt_does_so(files, debconf, registered):
    _, rest = steps(
        system(
            package(debconf, base=True, scripts=("postinst", "templates")),
            package("apt", files=files),
            package("asks-never", scripts=("postinst", "templates")),
            package("asks", scripts=("config", "postinst", "templates")),
            package("silent", scripts=("templates",)),
        )
    )
    assert rest.registered == registered
    assert ("silent" in rest.configure) == ("silent" in registered)
    assert rest.recipe.canonical.get("registered", []) == [*registered]


def test_the_epoch_is_the_newest_of_the_packages_that_the_key_names():
    base, rest = steps(
        system(package("late", mtime=900), package("late-active", mtime=500, scripts=("postinst",)))
    )
    assert base.epoch == 100
    assert rest.epoch == 500


def test_keys_are_pinned():
    base, rest = steps(system(package("inert")))
    assert base.recipe.canonical == {
        "recipe": 3,
        "kind": "configure",
        "packages": [sha("base-files"), sha("libc")],
        "configure": ["libc"],
        "unpack": [],
        "triggers": [],
        "lower": [],
        "epoch": 100,
    }
    assert base.recipe.key == "1ad88f1ce132d8df0b563f6bdfb2c346aa844c2383d31430b742193fadfe247c"
    assert rest.recipe.key == "a11435b111694948647c5bc071a9f12c1b03f1e117447bb3437d2ccb6e1d9c6a"
