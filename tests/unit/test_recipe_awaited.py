"""What packages wait for by way of others that are not configured."""

from test_recipe_plan import package, steps, system

from envforge.compare.rebuilt import Sides, reasons
from envforge.compare.sides import LayerName
from envforge.sources.debian.dpkg.status import status_paragraph


def rest(*more):
    return steps(system(*more))[1]


USER = package("user", scripts=("postinst",))


def test_a_dependency_behind_packages_without_scripts_is_waited_for():
    step = rest(
        package("daemon", depends="library, mime", scripts=("postinst",)),
        package("library", depends="data (>= 1) | nothing"),
        package("data", pre_depends="user"),
        USER,
    )
    assert step.awaited == {"daemon": ("user",)}
    assert step.recipe.canonical["awaited"] == {"daemon": ("user",)}


def test_dpkg_knows_direct_ones_and_those_behind_what_it_configures():
    step = rest(
        package("daemon", depends="tool, library", scripts=("postinst",)),
        package("tool", depends="library", scripts=("postinst",)),
        package("other", depends="tool", scripts=("postinst",)),
        package("library", depends="tool"),
        USER,
    )
    assert step.awaited == {}
    assert "awaited" not in step.recipe.canonical, "keys of most steps stay as they were"


def test_a_circle_over_a_library_ends_and_nothing_waits_for_itself():
    step = rest(
        package("daemon", depends="library", scripts=("postinst",)),
        package("library", depends="other"),
        package("other", depends="daemon, user", scripts=("postinst",)),
        USER,
    )
    assert step.awaited == {"daemon": ("other",)}


def test_dpkg_is_told_until_all_are_configured():
    daemon = package("daemon", depends="library").facts
    assert "Depends: library, user\n" in status_paragraph(daemon, "unpacked", ("user",))
    assert "Depends: user\n" in status_paragraph(USER.facts, "unpacked", ("user",))


def test_why_rebuilt_names_it():
    layers = tuple((LayerName("rest", digest, digest),) for digest in ("a" * 64, "b" * 64))
    recipes = {
        "a" * 64: {"kind": "configure"},
        "b" * 64: {"kind": "configure", "awaited": {"daemon": ["user"]}},
    }
    (found,) = reasons(Sides(recipes, {}, layers))
    assert found.field == "awaited"
    assert found.reason.endswith("+ daemon after user")
