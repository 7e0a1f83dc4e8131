from envforge.cli.commands.tree import lines_of, package_nodes
from envforge.sources.interface import Package


def package(name, *needs, asked=False):
    return Package("debian", name, "1", "all", "0" * 64, 1, asked, needs)


PACKAGES = (
    package("app", "dash", "lib", "libc", asked=True),
    package("bash", "libc"),
    package("dash", "libc"),
    package("lib", "app", "libc"),
    package("libc"),
    package("tar"),
)


def test_each_package_is_unfolded_once_even_in_circles():
    lines = list(lines_of(package_nodes(PACKAGES, None)))
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
    lines = list(lines_of(package_nodes(PACKAGES, 1)))
    assert lines == ["├── app 1", "└── 5 more"]
