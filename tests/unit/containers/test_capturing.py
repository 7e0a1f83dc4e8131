"""`capture`: what dpkg's database tells, which files are taken, and the lines of a spec."""

import hashlib
import stat
import tomllib

import pytest

from envforge.containers.files.capturable import CONTENT_MAX_BYTES, REASONS, why_not, why_not_content
from envforge.containers.files.capturing import look
from envforge.errors import SpecError
from envforge.kernel.reading import ReadTree
from envforge.sources.debian.dpkg import brought
from envforge.spec.editing.tables import NewFile, NewService, append, packages, tables

FILE = stat.S_IFREG | 0o644


@pytest.mark.parametrize(
    ("kind", "path", "mode", "size", "reason"),
    [
        ("A", "/etc/app.conf", FILE, 10, ""),
        ("C", "/usr/local/bin/tool", stat.S_IFREG | 0o755, 10, ""),
        ("D", "/etc/app.conf", 0, 0, "deleted"),
        ("A", "/etc/x", stat.S_IFLNK | 0o777, 3, "link"),
        ("A", "/srv/x", stat.S_IFIFO, 0, "special"),
        ("C", "/etc/shadow", FILE, 10, "account"),
        ("A", "/root/.bash_history", FILE, 10, "home"),
        ("A", "/var/log/x", FILE, 10, "state"),
        ("C", "/etc/ld.so.cache", FILE, 10, "generated"),
        ("A", "/usr/lib/x/__pycache__/a.pyc", FILE, 10, "generated"),
        ("A", "/usr/local/bin/su", stat.S_IFREG | 0o4755, 10, "set-id"),
        ("A", "/srv/x", FILE, CONTENT_MAX_BYTES + 1, "large"),
    ],
)
def test_which_changes_can_be_carried_over(kind, path, mode, size, reason):
    assert why_not(kind, path, mode, size) == reason
    assert not reason or reason in REASONS


def test_contents():
    assert why_not_content("text\nü".encode()) == ""
    assert why_not_content(b"\x7fELF\0") == "binary"
    assert why_not_content(b"\xff\xfe") == "binary"
    assert why_not_content(b"-----BEGIN RSA PRIVATE KEY-----\n") == "secret"


def stanza(name, version="1", architecture="amd64", status="install ok installed"):
    return f"Package: {name}\nStatus: {status}\nArchitecture: {architecture}\nVersion: {version}\n"


def write(root, path, text):
    target = root / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text)


@pytest.fixture
def trees(tmp_path):
    """Lend an upper directory over two layers, of which the lower one has dpkg's database."""
    upper, middle, lower = (tmp_path / name for name in ("upper", "middle", "lower"))
    for one in (upper, middle, lower):
        one.mkdir()
    write(lower, "var/lib/dpkg/status", f"{stanza('base')}\n{stanza('old')}\n{stanza('up')}")
    now = [stanza("base"), stanza("up", "2"), stanza("jq", architecture="all"), stanza("libjq")]
    now += [
        stanza("old", status="deinstall ok config-files"),
        stanza("Evil\x1b"),
        stanza("../../x"),
        "nonsense",
    ]
    write(upper, "var/lib/dpkg/status", "\n".join(now))
    marks = "Package: libjq\nArchitecture: amd64\nAuto-Installed: 1\n\nPackage: jq\nAuto-Installed: 0\n"
    write(upper, "var/lib/apt/extended_states", marks)
    write(upper, "var/lib/dpkg/info/jq.list", "/.\n/bin/jq\n/lib/systemd/system/jq.service\n/etc/jq.conf\n")
    write(upper, "var/lib/dpkg/info/libjq:amd64.list", "/usr/lib/libjq.so\n")
    (upper / "var/lib/dpkg/info/up.list").symlink_to("/etc/passwd")
    return upper, middle, lower


def test_what_apt_did(trees):
    upper, *layers = (ReadTree(str(one)) for one in trees)
    found = brought.read(layers, upper)
    assert [(one.name, one.asked) for one in found.packages] == [("jq", True), ("libjq", False)]
    assert found.changed == (("up", "1", "2"),)
    assert found.removed == ("old",)
    assert {b"/bin/jq", b"/usr/bin/jq", b"/usr/lib/libjq.so"} <= found.files
    assert brought.read(layers[:1], layers[0]).packages == ()


def test_what_is_looked_at(trees):
    upper, *layers = trees
    for path in ("usr/bin/jq", "etc/jq.conf", "etc/mine.conf", "var/lib/app/state"):
        write(upper, path, "text\n")
    (upper / "srv").mkdir()
    (upper / "srv/link").symlink_to("/etc/passwd")
    found = look(str(upper), [str(one) for one in layers])
    assert [path for path, _, _ in found["files"]] == ["/etc/mine.conf"]
    assert found["left"] == {"link": [1, ["/srv/link"]], "state": [1, ["/var/lib/app/state"]]}
    assert (found["by_hand"], found["pulled_in"], found["units"]) == (["jq"], ["libjq"], ["jq.service"])


def test_a_conffile_that_was_edited_is_taken(trees):
    upper, *layers = trees
    for name, content in (("edited", "mine\n"), ("kept", "shipped\n")):
        write(upper, f"etc/{name}", content)
    digest = hashlib.md5(b"shipped\n", usedforsecurity=False).hexdigest()
    conffiles = "".join(f" /etc/{one} {digest}\n" for one in ("edited", "kept", "gone"))
    write(upper, "var/lib/dpkg/status", f"{stanza('jq')}Conffiles:\n{conffiles}\n{stanza('base')}")
    write(upper, "var/lib/dpkg/info/jq.list", "/etc/edited\n/etc/kept\n/etc/gone\n")
    found = look(str(upper), [str(one) for one in layers])
    assert [path for path, _, _ in found["files"]] == ["/etc/edited"]


def test_lines_of_a_spec():
    files = [NewFile("captured/etc/a", "/etc/a"), NewFile("captured/x\x7f", '/srv/a"b\\c', "0600")]
    service = NewService("web", ("nginx", "-g", "daemon off;\n"), "other", ("8080:80",), "always", "www-data")
    text = append('name = "x"', files, service, "other")
    assert text.startswith('name = "x"\n\n[[environments.other.files]]\n')
    values = tomllib.loads(text)
    assert values["environments"]["other"]["files"] == [
        {"source": "captured/etc/a", "target": "/etc/a"},
        {"source": "captured/x\x7f", "target": '/srv/a"b\\c', "mode": "0600"},
    ]
    assert values["services"]["web"] == {
        "command": ["nginx", "-g", "daemon off;\n"],
        "environment": "other",
        "user": "www-data",
        "restart": "always",
        "publish": ["8080:80"],
    }
    assert append("a = 1\r\n", files[:1], None).count("\r\n") == 5
    assert tomllib.loads(packages(["jq", "git"])) == {"debian": {"packages": ["jq", "git"]}}
    assert (tables([], None), packages([])) == ("", "")
    with pytest.raises(SpecError):
        append("files = []\n", files, None)
