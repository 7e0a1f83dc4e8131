from envforge.compare.rebuilt import Sides, reasons
from envforge.compare.sides import LayerName
from envforge.sources.interface import Package


def package(name, version):
    return Package("debian", name, version, "amd64", f"{name}{version}", 1, asked=False)


KNOWN = {one.sha256: one for one in (package("git", "1"), package("git", "2"), package("jq", "1"))}


def reason(old, new, name="base", layers=((), ())):
    old_layer, new_layer = LayerName(name, "k1", "d1"), LayerName(name, "k2", "d2")
    sides = Sides({"k1": old, "k2": new}, KNOWN, ((old_layer, *layers[0]), (new_layer, *layers[1])))
    found = next(one for one in reasons(sides) if one.layer == name)
    return found.field, found.reason


def test_packages_are_named_with_their_versions():
    field, words = reason({"packages": ["git1"], "epoch": 1}, {"packages": ["git2", "jq1"], "epoch": 2})
    assert field == "packages"
    assert "git 1 -> 2" in words
    assert "+ jq 1" in words


def test_marks_of_packages_count():
    assert reason({"packages": [["git1", "auto"]]}, {"packages": [["git1", "manual"]]}) == (
        "packages",
        "its packages differ: git is manual now",
    )


def test_layers_below_come_after_packages():
    below = ((LayerName("farm", "f1", "x"),), (LayerName("farm", "f2", "y"),))
    recipes = {"packages": ["git1"], "lower": ["f1"]}, {"packages": ["git1"], "lower": ["f2"]}
    assert reason(*recipes, layers=below) == ("lower", "layers below it differ: farm")


def test_files_of_the_project_are_named():
    old = {"files": [["/etc/a", "f", "0644", "1"], ["/etc/b", "f", "0644", "1"]]}
    new = {"files": [["/etc/a", "f", "0644", "2"], ["/etc/c", "f", "0644", "1"]]}
    assert reason(old, new)[1] == "the project's files differ: ~ /etc/a, + /etc/c, - /etc/b"


def test_the_first_difference_in_the_order_of_causes_is_said():
    assert reason({"recipe": 2, "packages": ["a"]}, {"recipe": 3, "packages": ["b"]})[0] == "recipe"
    assert reason({"unknown": 1, "epoch": 0}, {"unknown": 2, "epoch": 0})[1] == "unknown differs: 1 -> 2"
    assert reason({"epoch": 0}, {"epoch": 86400})[1].endswith("1970-01-01 -> 1970-01-02")


def test_layers_that_are_new_gone_or_the_same():
    same = LayerName("farm", "k", "d")
    sides = Sides({}, {}, ((same, LayerName("old", "k", "d2")), (same, LayerName("new", "k", "d3"))))
    found = {one.layer: one for one in reasons(sides)}
    assert found["farm"].same
    assert found["new"].old is None
    assert found["old"].new is None


def test_equal_recipes_with_other_bytes_name_verify():
    sides = Sides({}, {}, ((LayerName("base", "k", "d1"),), (LayerName("base", "k", "d2"),)))
    (found,) = reasons(sides)
    assert "envforge verify" in found.reason
