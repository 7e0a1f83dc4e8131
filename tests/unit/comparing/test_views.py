"""What people and programs see of a comparison, byte for byte; `--golden` is no option: edit on purpose."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from samples import EVIL, hostile, usual

from envforge.compare.views import html, plain, text

GOLDEN = Path(__file__).parents[2] / "golden" / "diff"


@pytest.mark.parametrize("level", ["package", "file", "content"])
def test_text_as_it_was_approved(level):
    shown = "".join(f"{colour:<6}|{line}\n" for line, colour in text.lines(usual(level)))
    assert shown == (GOLDEN / f"{level}.txt").read_text()


def test_json_as_it_was_approved():
    shown = json.dumps(plain.comparison(usual()), indent=1) + "\n"
    assert shown == (GOLDEN / "content.json").read_text()


def test_html_as_it_was_approved():
    assert html.page(usual()) == (GOLDEN / "content.html").read_text()


def test_lines_fit_a_narrow_terminal():
    assert max(len(line) for line, _ in text.lines(usual())) <= 80


def test_stat_counts_by_package():
    lines = [line for line, _ in text.stat(usual("file"))]
    assert lines[0].startswith(" git ")
    assert " 1 +" in lines[0]


def test_files_of_a_whole_package_are_one_line_unless_all_are_wanted():
    found = usual("file")
    many = tuple(
        type(found.files[1])(
            b"/usr/share/git/%d" % n, None, found.files[1].new_line, (), "git", "farm", "debian"
        )
        for n in range(12)
    )
    from attrs import evolve

    found = evolve(found, files=many)
    folded = [line for line, _ in text.lines(found)]
    assert any("git: all of its 12 paths" in line for line in folded)
    assert any("--all lists them" in line for line in folded)
    assert sum("/usr/share/git/" in line for line, _ in text.lines(found, every=True)) == 12


@pytest.mark.parametrize("every", [False, True])
def test_nothing_hostile_reaches_a_terminal(every):
    shown = [line for line, _ in (*text.lines(hostile(), every=every), *text.stat(hostile()))]
    assert all(line.isprintable() for line in shown), shown
    assert any("pwned" in line for line in shown)


class Seen(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.attributes = set(), set()

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}


def test_nothing_hostile_becomes_html():
    page = html.page(hostile())
    seen = Seen()
    seen.feed(page)
    assert "script" not in seen.tags
    assert seen.attributes <= {"lang", "charset", "content", "name", "http-equiv", "class", "open"}
    assert "&lt;script&gt;" in page
    assert re.search(r"[^\n\x20-\x7e→…]", page) is None
    assert page.count("<pre>") == page.count("</pre>")


def test_the_page_loads_nothing():
    page = html.page(usual())
    assert "default-src 'none'" in page
    assert not re.search(r"(?i)\b(?:src|href)\s*=|@import|url\(|https?:", page)


def test_json_of_hostile_names_is_json():
    shown = json.dumps(plain.comparison(hostile()))
    assert json.loads(shown)["a"]["title"] == EVIL
