"""Comparisons to be shown: a usual one, and one whose every name and byte comes from somebody hostile."""

from envforge.compare.model import Comparison, Content, FileChange, PackageChange, RuntimeChange
from envforge.compare.sides import LayerName, Side
from envforge.sources.interface import Package
from envforge.store.listing import Entry, format_entry


def package(name, version="1", *, asked=False, size=1000, source="debian"):
    return Package(source, name, version, "amd64", f"{name}{version}", size, asked)


def file(path, content=b"1" * 64, **more):
    fields = {"mode": 0o644, "mtime": 1, "size": 5, **more}
    return line(Entry(path, "f", content=content, **fields))


def line(entry):
    return format_entry(entry).rstrip(b"\n")


def usual(level="content") -> Comparison:
    shared = LayerName("farm", "a" * 64, "a" * 64)
    old = Side("generation 1 of shop", "1" * 64, (LayerName("database", "b" * 64, "b" * 64), shared))
    new = Side("generation 2 of shop", "2" * 64, (LayerName("database", "c" * 64, "c" * 64), shared))
    passwd = file(b"/etc/passwd", size=100)
    files = (
        FileChange(
            b"/etc/passwd",
            passwd,
            file(b"/etc/passwd", b"2" * 64, mode=0o600, size=140),
            ("content", "mode"),
            layer="database",
            source="debian",
        ),
        FileChange(b"/usr/bin/git", None, file(b"/usr/bin/git", size=3_000_000), (), "git", "farm", "debian"),
        FileChange(
            b"/usr/lib/old",
            line(Entry(b"/usr/lib/old", "l", 0o777, content=b"older")),
            None,
            (),
            "oldlib",
            "farm",
            "debian",
        ),
    )
    contents = (
        Content(
            b"/etc/passwd", "passwd lines", ("-root:x:0:0::/:/bin/sh", "+root:x:0:0::/root:/bin/sh"), cut=True
        ),
    )
    return Comparison(
        old,
        new,
        level,
        (
            PackageChange(None, package("git", "1:2.39.5-0", asked=True, size=7_260_000)),
            PackageChange(package("jq", "1.6", asked=True), package("jq", "1.7", asked=True, size=1500)),
            PackageChange(package("oldlib"), None),
        ),
        (RuntimeChange("variables.STAGE", "test", "production"), RuntimeChange("shell.nested", None, True)),
        files if level != "package" else None,
        2,
        contents if level == "content" else None,
        1 if level == "content" else 0,
        3_000_040,
        ("a note",),
    )


EVIL = 'x\x1b]0;pwned\x07\x9b31m</pre><script>alert("1")</script>\u202egnp.\udcff\n&"\''


def hostile() -> Comparison:
    path = b"/" + EVIL.encode("utf-8", "surrogateescape")
    old = Side(EVIL, EVIL, (LayerName(EVIL, EVIL, EVIL),))
    new = Side(EVIL, EVIL, (LayerName(EVIL, EVIL, f"{EVIL}2"),))
    changes = (
        FileChange(path, None, line(Entry(path, "l", content=path)), (), EVIL, EVIL, EVIL),
        FileChange(path, file(path), file(path, size=7), (EVIL, "content"), "", EVIL, EVIL),
    )
    return Comparison(
        old,
        new,
        "content",
        (
            PackageChange(package(EVIL, EVIL, source=EVIL), package(EVIL, f"{EVIL}2", source=EVIL)),
            PackageChange(None, package(EVIL, EVIL, asked=True)),
        ),
        (RuntimeChange(EVIL, EVIL, {"a": EVIL}),),
        changes,
        0,
        (Content(path, EVIL, (f"-{EVIL}", f"+{EVIL}", EVIL)),),
        notes=(EVIL,),
    )
