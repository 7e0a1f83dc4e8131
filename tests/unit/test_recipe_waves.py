"""The order in which preinsts run: Policy lets one rely on what its package pre-depends on, configured."""

from test_recipe_plan import package, steps, system

from envforge.sources.debian.recipes.waves import Wave, waves


def rest_waves(*more):
    packages = system(*more)
    _, rest = steps(packages)
    chosen = {name: one for name, one in packages.items() if name in rest.packages}
    return waves(rest, chosen)


def test_no_preinst_no_wave():
    assert rest_waves() == ()


def test_pre_dependencies_come_first_with_what_they_need():
    found = rest_waves(
        package("tool", depends="helper", scripts=("preinst", "postinst")),
        package("helper", scripts=("postinst",)),
        package("careful", pre_depends="tool (>= 1)", scripts=("preinst",)),
        package("plain", scripts=("preinst",)),
    )
    assert found == (Wave((), ("plain", "tool"), ()), Wave(("helper", "tool"), ("careful",), ()))


def test_what_dpkg_itself_unpacks_waits_likewise():
    found = rest_waves(
        package("diverter", pre_depends="mime", scripts=("preinst",), diverts=True),
        package("plain", scripts=("preinst",)),
    )
    assert found == (Wave(("mime",), ("plain",), ("diverter",)),)


def test_a_circle_ends():
    found = rest_waves(
        package("a", pre_depends="b", scripts=("preinst",)),
        package("b", pre_depends="a", scripts=("preinst",)),
    )
    assert found == (Wave((), ("a", "b"), ()),)
