"""Scripts see what dpkg would show them, though all files lie in a farm from the start."""

import shutil
from pathlib import PurePosixPath

import debs
import pytest
import web
from small_archive import Archive
from small_system import add_system, built, layer_entries, new_project, script, shown

pytestmark = [
    pytest.mark.userns,
    pytest.mark.one_id,
    pytest.mark.skipif(not shutil.which("apt-get"), reason="needs apt-get, of which the tool tree is made"),
]

_LOOK = """\
look() { for path in "$@"; do
  if [ -e $path ]; then echo $path is there; else echo $path is not there; fi
done; }
mkdir -p /var/lib/seen
"""


def text(name, content="x\n", **attributes):
    return debs.member(f"./{name}", content.encode(), **attributes)


def tree(*members):
    """Return members with the directories above them, as dpkg-deb packs them."""
    known = {info.name for info, _ in members}
    parents = {str(parent) for name in known for parent in PurePosixPath(name).parents} - {"."}
    return [
        *(debs.member(f"./{parent}") for parent in sorted(parents) if f"./{parent}" not in known),
        *members,
    ]


def add_packages(archive: Archive) -> None:
    archive.add(
        "careful",
        data=tree(
            text("usr/share/careful/data"),
            text("etc/careful/careful.conf"),
            text("usr/share/common/careful"),
        ),
        pre_depends="tool",
        members={
            "conffiles": "/etc/careful/careful.conf\n",
            "preinst": script(
                _LOOK
                + "look /usr/share/careful /usr/share/careful/data /usr/share/common/careful /etc/careful "
                "/usr/share/tool/tool /var/lib/tool/configured >/var/lib/seen/preinst\n"
                "rm -rf /usr/share/careful; mkdir -p /usr/share/common; echo mine >/usr/share/common/careful"
            ),
            "postinst": script(
                _LOOK + "look /usr/share/careful/data /etc/careful/careful.conf >/var/lib/seen/postinst"
            ),
        },
    )
    archive.add(
        "tool",
        data=tree(text("usr/share/tool/tool"), text("usr/share/common/tool")),
        members={
            "preinst": script(_LOOK + "look /usr/share/tool/tool >/var/lib/seen/tool"),
            "postinst": script("mkdir -p /var/lib/tool; touch /var/lib/tool/configured"),
        },
    )
    archive.add(
        "early",
        data=tree(text("usr/share/early/x"), text("etc/parts/early", "#!/bin/sh\necho early\n", mode=0o755)),
        members={
            "conffiles": "/etc/parts/early\n",
            "postinst": script(
                _LOOK + "ls /etc/parts >/var/lib/seen/parts; run-parts /etc/parts >/var/lib/seen/ran"
            ),
        },
    )
    archive.add(
        "late",
        depends="early",
        data=tree(
            text("etc/parts/late", "#!/bin/sh\nexec /usr/share/late/made\n", mode=0o755),
            debs.member("./etc/secret", mode=0o750),
            text("etc/secret/kept", mode=0o640),
            text("etc/secret/changed"),
            text("etc/secret/removed"),
        ),
        members={
            "conffiles": "/etc/parts/late\n/etc/secret/kept\n/etc/secret/changed\n/etc/secret/removed\n",
            "postinst": script("echo changed >/etc/secret/changed; rm /etc/secret/removed"),
        },
    )
    for name in BEHIND:
        archive.add(f"makes-{name}", members={"postinst": script(f"touch /var/lib/{name}")})
        archive.add(f"lib{name}", data=tree(text(f"usr/lib/{name}.so")), depends=f"makes-{name}")
        archive.add(
            f"uses-{name}", depends=f"lib{name}", members={"postinst": script(f"cat /var/lib/{name}")}
        )


BEHIND = ("first", "second", "third", "fourth")
"""Several, so that no order of dpkg's own is right by chance."""


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    archive = Archive(tmp_path_factory.mktemp("web"))
    add_system(archive)
    add_packages(archive)
    archive.publish()
    directory = tmp_path_factory.mktemp("built")
    with web.serving(archive.path) as server:
        line = new_project(directory, server.url, ["careful", "late", *(f"uses-{name}" for name in BEHIND)])
        result = built(line)
        yield line, result
        line.succeed("store", "destroy", "--yes")


def content(project, path):
    return project[0].succeed("run", "--", "cat", path)


def test_a_preinst_sees_none_of_its_own_files_and_its_pre_dependencies_configured(project):
    assert content(project, "/var/lib/seen/preinst").splitlines() == [
        "/usr/share/careful is not there",
        "/usr/share/careful/data is not there",
        "/usr/share/common/careful is not there",
        "/etc/careful is not there",
        "/usr/share/tool/tool is there",
        "/var/lib/tool/configured is there",
    ]
    assert content(project, "/var/lib/seen/tool") == "/usr/share/tool/tool is not there\n"


def test_what_a_library_needs_is_configured_before_what_needs_the_library(project):
    line, _ = project  # `cat` would have failed its build
    assert set(BEHIND) <= {*line.succeed("run", "--", "ls", "/var/lib").split()}


def test_what_a_preinst_did_to_the_place_of_its_files_does_not_show(project):
    assert content(project, "/usr/share/careful/data") == "x\n"
    assert content(project, "/usr/share/common/careful") == "x\n"
    assert "is not there" not in content(project, "/var/lib/seen/postinst")


def test_a_conffile_is_not_there_before_its_package_is_configured(project):
    assert content(project, "/var/lib/seen/parts").splitlines() == ["early", "late.dpkg-new"]
    assert content(project, "/var/lib/seen/ran") == "early\n"
    assert content(project, "/etc/parts/late").startswith("#!/bin/sh\nexec")


def test_only_changed_conffiles_are_in_the_layer(project):
    rest = layer_entries(*project, "rest")
    assert {path for path in rest if path.startswith(b"/etc/")} == {
        b"/etc/secret",
        b"/etc/secret/changed",
        b"/etc/secret/removed",
    }
    assert rest[b"/etc/secret/removed"].type == "w"
    entries = shown(*project)
    assert (entries[b"/etc/secret"].mode, entries[b"/etc/secret/kept"].mode) == (0o750, 0o640)
    assert not [path for path in entries if b"dpkg-new" in path]


def test_dpkg_knows_the_conffiles(project):
    said = content(project, "/var/lib/dpkg/status")
    assert "newconffile" not in said
    assert " /etc/parts/late " in said


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    archive = Archive(tmp_path_factory.mktemp("other-web"))
    add_system(archive)
    archive.add(
        "diverter",
        data=tree(text("usr/bin/config", "the diverter's\n")),
        members={
            "preinst": script(
                "for name in config only; do\n  dpkg-divert --package diverter --add --rename"
                " --divert /usr/bin/$name.plain /usr/bin/$name\ndone"
            )
        },
    )
    archive.add("plain", data=tree(text("usr/bin/config", "plain\n"), text("usr/bin/only", "plain\n")))
    archive.add(
        "remover",
        data=tree(text("usr/share/removed/own")),
        members={"postinst": script("rm -r /usr/share/removed")},
    )
    archive.add("victim", data=tree(text("usr/share/removed/inert")))
    archive.add(
        "opener",
        data=tree(text("usr/share/opened/mine")),
        members={
            "preinst": script("dpkg-divert --package opener --add --divert /usr/share/x.plain /usr/share/x")
        },
    )
    archive.add("beside", data=tree(text("usr/share/opened/theirs")))
    for name, program, preinst in (
        (
            "postgresql-common",
            "usr/bin/pg_createcluster",
            script(
                "dpkg-divert --package postgresql-common --rename"
                " --add --divert /usr/bin/pg_config.libpq-dev /usr/bin/pg_config"
            ),
        ),
        ("ssl-cert", "usr/sbin/make-ssl-cert", script("true")),
    ):
        archive.add(
            name,
            data=tree(
                text(program, "#!/bin/sh\ntouch /var/lib/real-one-ran\n", mode=0o755),
                text("usr/bin/pg_config"),
            ),
            members={
                "preinst": preinst,
                "postinst": script(f"/{program}\nchmod 750 /{program}\nchmod 755 /{program}"),
            },
        )
    group = {"mode": 0o2775, "uid": 0, "gid": 50}
    archive.add(
        "grouped",
        data=tree(
            debs.member("./etc/grouped", **group),
            text("etc/grouped/a.conf"),
            debs.member("./srv/grouped", **group),
        ),
        members={"conffiles": "/etc/grouped/a.conf\n", "postinst": script("true")},
    )
    archive.publish()
    with web.serving(archive.path) as server:
        yield server.url


def test_nothing_gets_the_group_of_a_set_group_id_directory(url, tmp_path):
    """Neither a conffile that dpkg places there nor a file of the project's own."""
    line = new_project(tmp_path, url, ["grouped"])
    (line.directory / "own").mkdir()
    (line.directory / "own/file").write_text("x\n")
    with (line.directory / "envforge.toml").open("a") as spec:
        spec.write('\n[[files]]\nsource = "own"\ntarget = "/srv/grouped/own"\n')
    entries = shown(line, built(line))
    modes = {
        path: (one.mode, one.uid, one.gid)
        for path, one in entries.items()
        if b"grouped" in path and path != b"/"
    }
    assert modes[b"/etc/grouped"] == modes[b"/srv/grouped"] == (0o2775, 0, 50)
    assert modes[b"/etc/grouped/a.conf"] == modes[b"/srv/grouped/own/file"] == (0o644, 0, 0)
    assert modes[b"/srv/grouped/own"] == (0o755, 0, 0)


@pytest.mark.parametrize(
    ("package", "program"),
    [("postgresql-common", "/usr/bin/pg_createcluster"), ("ssl-cert", "/usr/sbin/make-ssl-cert")],
)
def test_a_program_of_machine_state_does_not_run_and_is_there_in_the_end(url, tmp_path, package, program):
    """Be it in the farm or unpacked by dpkg itself, and though a script touches what stands in for it."""
    line = new_project(tmp_path, url, [package])
    entries = shown(line, built(line))
    assert b"/var/lib/real-one-ran" not in entries
    assert entries[program.encode()].mode == 0o755
    assert "real-one-ran" in line.succeed("run", "--", "cat", program)


def test_a_diversion_moves_files_of_packages_that_need_no_configuring(url, tmp_path):
    line = new_project(tmp_path, url, ["diverter", "plain"])
    built(line)
    run = ("run", "--", "sh", "-c")
    assert line.succeed(*run, "cat /usr/bin/config /usr/bin/config.plain /usr/bin/only.plain") == (
        "the diverter's\nplain\nplain\n"
    )
    assert line.succeed(*run, "ls /usr/bin/only 2>/dev/null || echo none") == "none\n"


def test_a_file_that_goes_missing_fails_the_build(url, tmp_path):
    line = new_project(tmp_path, url, ["remover"])
    assert "/usr/share/removed/own of remover is missing" in line.fail(23, "build")


def test_a_layer_hides_nothing_of_a_package_that_it_was_not_made_over(url, tmp_path):
    line = new_project(tmp_path, url, ["opener", "beside"])
    result = built(line)
    assert not {"o", "w"} & {entry.type for entry in layer_entries(line, result, "rest").values()}
    assert line.succeed("run", "--", "ls", "/usr/share/opened").split() == ["mine", "theirs"]
