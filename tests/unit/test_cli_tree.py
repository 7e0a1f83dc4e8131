from envforge.api.inspecting import needs
from envforge.cli.tree import lines_of, package_nodes
from envforge.sources.debian.model import LockedPackage


def package(name, *, asked=False, **relations):
    fields = tuple((field.replace("_", "-"), text) for field, text in relations.items())
    return LockedPackage(
        name, "1", "all", "bookworm", f"{name}.deb", 1, "0" * 64, asked=asked, relations=fields
    )


PACKAGES = (
    package("app", asked=True, Depends="lib (>= 1), shell | bash", Pre_Depends="libc"),
    package("bash", Depends="libc"),
    package("dash", Provides="shell", Depends="libc"),
    package("lib", Depends="libc, app"),
    package("libc"),
    package("tar"),
)


def test_needs_are_found_through_alternatives_and_providers():
    assert needs(PACKAGES)["app"] == ("dash", "lib", "libc")


def test_each_package_is_unfolded_once_even_in_circles():
    lines = list(lines_of(package_nodes(PACKAGES, needs(PACKAGES), None)))
    assert lines == [
        "├── app 1",
        "│   ├── dash 1",
        "│   │   └── libc 1",
        "│   ├── lib 1",
        "│   │   ├── app 1 (*)",
        "│   │   └── libc 1",
        "│   └── libc 1",
        "└── minimal system (2 more)",
        "    ├── bash 1",
        "    └── tar 1",
    ]


def test_depth_stops_unfolding():
    lines = list(lines_of(package_nodes(PACKAGES, needs(PACKAGES), 1)))
    assert lines == ["├── app 1", "└── 5 more"]
