import pytest

from envforge.compare.owners import source_of
from envforge.sources.debian.dpkg.installed import package_of


@pytest.mark.parametrize(
    ("path", "package"),
    [
        (b"/var/lib/dpkg/info/jq.list", "jq"),
        (b"/var/lib/dpkg/info/libjq1:amd64.symbols", "libjq1:amd64"),
        (b"/var/lib/dpkg/info/a.b.list", "a.b"),
        (b"/var/lib/dpkg/info/format", ""),
        (b"/var/lib/dpkg/info/../x.list", ""),
        (b"/var/lib/dpkg/info/\x1b[31m.list", ""),
        (b"/var/lib/dpkg/status", ""),
    ],
)
def test_files_of_dpkgs_database_are_of_their_package(path, package):
    assert package_of(path) == package


@pytest.mark.parametrize(
    ("layer", "source"),
    [
        ("farm", "debian"),
        ("database", "debian"),
        ("fetch-12", "fetch"),
        ("files", "files"),
        ("files-x", "debian"),
    ],
)
def test_layers_are_named_for_their_source(layer, source):
    assert source_of(layer) == source
