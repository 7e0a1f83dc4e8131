import gzip

import pytest

from envforge.compare.contents import forms
from envforge.compare.contents.forms import differ, kind_of

PASSWD = b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534::/:/sbin/nologin\n"
STATUS = (
    b"Package: a\nVersion: 1\nStatus: install ok installed\n\n"
    b"Package: b\nVersion: 1\nDescription: x\n more\n\n"
)


def test_text_is_a_unified_diff():
    assert differ("/etc/x", b"one\ntwo\n", b"one\n2\n") == (
        "text",
        ["@@ -1,2 +1,2 @@", " one", "-two", "+2"],
        False,
    )


def test_a_new_file_is_shown_whole_and_so_is_one_that_is_gone():
    assert differ("/etc/x", None, b"one\n")[1] == ["@@ -0,0 +1 @@", "+one"]
    assert differ("/etc/x", b"one\n", None)[1] == ["@@ -1 +0,0 @@", "-one"]


def test_a_missing_newline_is_told():
    assert differ("/x", b"a\n", b"a")[1] == ["@@ -1 +1 @@", "-a", "+a", "\\ No newline at end of file"]


def test_passwd_is_compared_by_line_in_any_order():
    form, lines, _ = differ(
        "/etc/passwd", PASSWD, b"".join(reversed(PASSWD.splitlines(keepends=True))) + b"new:x:1:1::/:/x\n"
    )
    assert form == "passwd lines"
    assert lines == ["+new:x:1:1::/:/x"]


def test_status_is_compared_by_package_and_field():
    new = STATUS.replace(b"Package: a\nVersion: 1", b"Package: a\nVersion: 2") + b"Package: c\nVersion: 3\n"
    form, lines, _ = differ("/var/lib/dpkg/status", STATUS, new)
    assert form == "paragraphs"
    assert lines == ["@ a", "-Version: 1", "+Version: 2", "+c 3"]


def test_binaries_are_summed_up_where_they_begin_to_differ():
    form, lines, _ = differ("/usr/bin/x", b"\x7fELF" + b"\0" * 100, b"\x7fELF" + b"\0" * 90 + b"A" * 10)
    assert form == "ELF file"
    assert lines[0] == "# 104 -> 104 bytes, the first 94 of them equal"
    assert lines[1].startswith("-00000050  00 00")
    assert lines[2].endswith("..............AA")


def test_longer_and_shorter_binaries():
    assert "then longer" in differ("/x", b"\0\1", b"\0\1\2")[1][0]
    assert "then shorter" in differ("/x", b"\0\1", b"\0")[1][0]


@pytest.mark.parametrize(
    ("path", "data", "kind"),
    [
        ("/x.pyc", b"", "bytecode"),
        ("/x.gz", gzip.compress(b"x", mtime=0), "gzip archive"),
        ("/x.zip", b"PK\x03\x04", "zip archive"),
        ("/x.deb", b"!<arch>\n", "ar archive"),
        ("/x.tar", b"\0" * 257 + b"ustar", "tar archive"),
        ("/x", b"a\0b", "binary"),
        ("/x", "ü".encode(), ""),
        ("/x", b"\xff\xfe latin", ""),
        ("/x", b"", ""),
    ],
)
def test_kinds_are_told_by_what_is_in_a_file(path, data, kind):
    assert kind_of(path, data) == kind


def test_bytecode_says_what_it_was_compiled_by():
    assert "another Python" in differ("/a.pyc", b"\x01\0\0\0" + b"x" * 20, b"\x02\0\0\0" + b"x" * 20)[1][0]
    old = b"\x01\0\0\0\0\0\0\0aaaabbbb" + b"x" * 9
    assert "version of its source" in differ("/a.pyc", old, old.replace(b"aaaa", b"aaab"))[1][0]


def test_much_is_cut_and_says_so():
    form, lines, cut = differ("/x", b"", b"a\n" * 100_000)
    assert (form, cut) == ("text", True)
    assert "too many" in lines[0]
    _, lines, cut = differ("/x", b"", b"".join(b"%d\n" % n for n in range(5000)))
    assert cut
    assert len(lines) == forms.LINES_MAX
    _, lines, _ = differ("/x", b"", b"a" * 5000)
    assert max(map(len, lines)) < 500
