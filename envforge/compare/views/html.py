"""A comparison as one HTML file: it loads nothing, runs nothing, and is read in light and dark. Pure.

Everything that others wrote is escaped twice over: what is not printable as in a terminal, then for HTML. A
policy in the file itself forbids scripts and loading, should that ever fail.
"""

import html
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from envforge.compare.model import Comparison, Content, FileChange, PackageChange
from envforge.compare.views import text
from envforge.units import printable

_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
_STYLE: Final = """
:root { color-scheme: light dark; --fore: #1f2328; --back: #fff; --soft: #59636e; --line: #d1d9e0;
  --panel: #f6f8fa; --added: #116329; --added-back: #dafbe1; --removed: #a40e26; --removed-back: #ffebe9;
  --changed: #7d4e00; --hunk: #0550ae; }
@media (prefers-color-scheme: dark) { :root { --fore: #e6edf3; --back: #0d1117; --soft: #9198a1;
  --line: #3d444d; --panel: #151b23; --added: #56d364; --added-back: #12361f; --removed: #ff7b72;
  --removed-back: #3c1618; --changed: #e3b341; --hunk: #79c0ff; } }
* { box-sizing: border-box; }
body { margin: 2rem auto; max-width: 70rem; padding: 0 1rem; color: var(--fore); background: var(--back);
  font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
code, pre, td { font-family: ui-monospace, monospace; font-size: 13px; }
p.summary { padding: .6rem .8rem; background: var(--panel); border: 1px solid var(--line);
  border-radius: 6px; }
.note, .soft { color: var(--soft); }
table { border-collapse: collapse; width: 100%; }
th { text-align: left; font-weight: 600; }
th, td { padding: .15rem .8rem .15rem 0; border-bottom: 1px solid var(--line); vertical-align: top;
  overflow-wrap: anywhere; }
td.sign { width: 1.2rem; }
.added { color: var(--added); } .removed { color: var(--removed); } .changed { color: var(--changed); }
details { border: 1px solid var(--line); border-radius: 6px; margin: .4rem 0; padding: .3rem .8rem; }
summary { cursor: pointer; overflow-wrap: anywhere; }
pre { overflow-x: auto; margin: .5rem 0; }
pre span { display: block; min-height: 1.5em; }
pre .added { background: var(--added-back); } pre .removed { background: var(--removed-back); }
pre .hunk { color: var(--hunk); }
"""
_SIGNS: Final[dict[str, str]] = {str(kind): sign for kind, sign in text.SIGNS.items()}
_CLASSES: Final = {"+": "added", "-": "removed", "@": "hunk", "#": "soft", "\\": "soft"}
_OPEN_MAX: Final = 40
"""Groups of files with more are folded."""


def page(found: Comparison) -> str:
    """Return the whole file."""
    return "\n".join(_page(found)) + "\n"


def _page(found: Comparison) -> Iterator[str]:
    title = f"{found.a.title} → {found.b.title}"
    yield '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">'
    yield f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f"<title>{_safe(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>"
    yield f"<h1>{_safe(title)}</h1>"
    yield from (_side(sign, side.title, side.environment) for sign, side in (("-", found.a), ("+", found.b)))
    yield f'<p class="summary">{_safe(text.summary(found))}</p>'
    yield from (f'<p class="note">{_safe(note)}</p>' for note in found.notes)
    for heading, asked in (("Asked for", True), ("Came along", False)):
        yield from _packages(heading, [one for one in found.packages or () if one.asked is asked])
    yield from _runtime(found)
    yield from _layers(found)
    yield from _files(found)
    yield from _contents(found.contents or ())
    yield "</body>\n</html>"


def _safe(text_of_others: str) -> str:
    return html.escape(printable(text_of_others), quote=True)


def _side(sign: str, title: str, environment: str) -> str:
    digest = f" <code>sha256:{_safe(environment)}</code>" if environment else ""
    return f'<p class="soft">{sign} {_safe(title)}{digest}</p>'


def _table(head: Sequence[str], rows: Iterable[tuple[str, Sequence[str]]]) -> Iterator[str]:
    """Yield a table; each row has its kind, and cells that are escaped here."""
    columns = "".join(f"<th>{_safe(one)}</th>" for one in head)
    yield f"<table><thead><tr><th></th>{columns}</tr></thead><tbody>"
    for kind, cells in rows:
        sign = _SIGNS.get(kind, "")
        inside = "".join(f"<td>{_safe(cell)}</td>" for cell in cells)
        yield f'<tr class="{_safe(kind)}"><td class="sign">{sign}</td>{inside}</tr>'
    yield "</tbody></table>"


def _packages(heading: str, changes: Sequence[PackageChange]) -> Iterator[str]:
    if changes:
        yield f"<h2>{_safe(heading)}</h2>"
        rows = [
            (one.kind, (one.package.name, text.versions(one), one.package.source, text.size_of(one)))
            for one in changes
        ]
        yield from _table(("Package", "Version", "Source", "Size"), rows)


def _runtime(found: Comparison) -> Iterator[str]:
    if found.runtime:
        yield "<h2>Run differently</h2>"
        rows = [
            (
                "added" if one.old is None else "removed" if one.new is None else "changed",
                (
                    one.key,
                    "" if one.old is None else text.value(one.old),
                    "" if one.new is None else text.value(one.new),
                ),
            )
            for one in found.runtime
        ]
        yield from _table(("Key", "Before", "After"), rows)


def _layers(found: Comparison) -> Iterator[str]:
    rows = [("shared", (one.name, f"sha256:{one.digest}", "shared")) for one in found.shared]
    rows += [("removed", (one.name, f"sha256:{one.digest}", "")) for one in found.layers_removed]
    rows += [("added", (one.name, f"sha256:{one.digest}", "")) for one in found.layers_added]
    if rows:
        yield "<h2>Layers</h2>"
        yield from _table(("Layer", "Digest", ""), rows)


def _files(found: Comparison) -> Iterator[str]:
    if found.files is None:
        return
    yield f"<h2>Files ({len(found.files):,})</h2>"
    if found.only_times:
        yield f'<p class="note">{found.only_times:,} more differ in their time only.</p>'
    for owner, changes in text.by_owner(found.files):
        is_open = " open" if len(changes) <= _OPEN_MAX else ""
        yield f"<details{is_open}><summary>{_safe(owner)} ({len(changes):,})</summary>"
        yield from _table(("Path", "What"), ((one.kind, _file(one)) for one in changes))
        yield "</details>"


def _file(change: FileChange) -> tuple[str, str]:
    return change.path.decode("utf-8", "surrogateescape"), text.detail(change).strip()


def _contents(contents: Sequence[Content]) -> Iterator[str]:
    if contents:
        yield f"<h2>Contents ({len(contents):,})</h2>"
    for content in contents:
        path = content.path.decode("utf-8", "surrogateescape")
        is_open = " open" if len(content.lines) <= _OPEN_MAX else ""
        more = '<p class="note">… and more</p>' if content.cut else ""
        yield (
            f"<details{is_open}><summary><code>{_safe(path)}</code> "
            f'<span class="soft">{_safe(content.form)}</span></summary>'
            f"<pre>{''.join(map(_line, content.lines))}</pre>{more}</details>"
        )


def _line(line: str) -> str:
    """Return a line as a block of its own: a line end between two of them would be an empty line."""
    return f'<span class="{_CLASSES.get(line[:1], "same")}">{_safe(line)}</span>'
