"""How the contents of two versions of a file are shown: as text, by line, by paragraph, or summarised. Pure.

Contents are other people's, and this runs in a confined child: whatever it returns is still to be escaped
(`units.printable`) before a person sees it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from envforge.compare.contents.edits import unified

LINES_MAX: Final = 400
"""Of one file's differences."""
_LINE_MAX: Final = 400
_TEXT_LINES_MAX: Final = 50_000
_SNIFFED: Final = 8192
_HEX_BYTES: Final = 16

_MAGIC: Final = (
    (0, b"\x7fELF", "ELF file"),
    (0, b"\x1f\x8b", "gzip archive"),
    (0, b"\xfd7zXZ\0", "xz archive"),
    (0, b"\x28\xb5\x2f\xfd", "zstd archive"),
    (0, b"BZh", "bzip2 archive"),
    (0, b"PK\x03\x04", "zip archive"),
    (0, b"!<arch>\n", "ar archive"),
    (257, b"ustar", "tar archive"),
    (0, b"\x89PNG\r\n", "PNG image"),
    (0, b"SQLite format 3\0", "SQLite database"),
    (0, b"\xde\x12\x04\x95", "message catalogue"),
    (0, b"\x95\x04\x12\xde", "message catalogue"),
    (0, b"\xfe\xed\xfe\xed", "Java keystore"),
)
_BYTECODE: Final = (".pyc", "bytecode")
_BY_LINE: Final = ("/etc/passwd", "/etc/group", "/etc/shadow", "/etc/gshadow", "/etc/subuid", "/etc/subgid")
_BY_PARAGRAPH: Final = ("/var/lib/dpkg/status", "/var/lib/apt/extended_states")

Shown = tuple[str, list[str], bool]
"""Form, lines, whether there is more."""


def differ(path: str, old: bytes | None, new: bytes | None) -> Shown:
    """Return how two versions of a file differ; None is a version that is not there."""
    kind = kind_of(path, new if new is not None else old or b"")
    if kind:
        return kind, list(_binary(old, new, bytecode=kind == _BYTECODE[1])), False
    before, after = _lines(old), _lines(new)
    if max(len(before), len(after)) > _TEXT_LINES_MAX:
        return "text", [f"# {len(before):,} -> {len(after):,} lines, too many to compare"], True
    form, way = _way(path) if old is not None and new is not None else ("text", unified)
    return form, *_cut(way(before, after))


def _way(path: str) -> tuple[str, Callable[[Sequence[str], Sequence[str]], Iterator[str]]]:
    name = path.removesuffix("-")  # the copy that passwd(5)'s tools keep
    if name in _BY_LINE:
        return f"{name.rpartition('/')[2]} lines", by_line
    if path.removesuffix("-old") in _BY_PARAGRAPH:
        return "paragraphs", by_paragraph
    return "text", unified


def kind_of(path: str, data: bytes) -> str:
    """Return what kind of file it is that is not shown as text; empty for text."""
    if path.endswith(_BYTECODE[0]):
        return _BYTECODE[1]
    for at, magic, name in _MAGIC:
        if data.startswith(magic, at):
            return name
    head = data[:_SNIFFED]
    return "binary" if b"\0" in head or _is_mostly_odd(head) else ""


def _is_mostly_odd(head: bytes) -> bool:
    """Return whether a third of the bytes are control characters: no text, in whatever encoding."""
    odd = sum(byte < 0x20 and byte not in b"\t\n\r\f\x1b" for byte in head)
    return odd * 3 > len(head) > 0


def _lines(data: bytes | None) -> list[str]:
    text = (data or b"").decode("utf-8", "surrogateescape")
    lines = text.split("\n")
    if lines and not lines[-1]:
        return lines[:-1]
    lines[-1] += "\n"  # a file without a newline at its end differs from one with it
    return lines


def _cut(lines: Iterator[str]) -> tuple[list[str], bool]:
    found: list[str] = []
    for line in lines:
        if len(found) == LINES_MAX:
            return found, True
        whole = line.removesuffix("\n")
        found.append(whole if len(whole) <= _LINE_MAX else f"{whole[:_LINE_MAX]}…")
        if whole != line:
            found.append("\\ No newline at end of file")
    return found, False


def by_line(old: Sequence[str], new: Sequence[str]) -> Iterator[str]:
    """Yield the entries of a file like passwd(5) that differ, in whatever order each file has them."""
    yield from _keyed({_name(line): [line] for line in old}, {_name(line): [line] for line in new})


def _name(line: str) -> str:
    return line.partition(":")[0]


def by_paragraph(old: Sequence[str], new: Sequence[str]) -> Iterator[str]:
    """Yield the fields that differ of a file in paragraphs (deb822(5)), by package."""
    before, after = _paragraphs(old), _paragraphs(new)
    for name in sorted(before.keys() | after.keys()):
        was, now = before.get(name), after.get(name)
        if was == now:
            continue
        mark = " " if was is not None and now is not None else "+" if was is None else "-"
        version = (now or was or {}).get("Version", [""])[0].partition(": ")[2]
        yield f"@ {name}" if mark == " " else f"{mark}{name}{f' {version}' if version else ''}"
        if mark == " ":
            yield from _keyed(was or {}, now or {})


def _paragraphs(lines: Sequence[str]) -> dict[str, dict[str, list[str]]]:
    found: dict[str, dict[str, list[str]]] = {}
    fields: dict[str, list[str]] = {}
    field = ""
    for line in (*lines, ""):
        if not line.strip():
            if fields:
                name = fields.get("Package", [""])[0].partition(": ")[2]
                while name in found:
                    name += "'"
                found[name] = fields
            fields, field = {}, ""
        elif line.startswith((" ", "\t")) and field:
            fields[field].append(line)
        else:
            field = line.partition(":")[0]
            fields.setdefault(field, []).append(line)
    return found


def _keyed(old: Mapping[str, list[str]], new: Mapping[str, list[str]]) -> Iterator[str]:
    for name in dict.fromkeys((*old, *new)):
        if old.get(name) != new.get(name):
            yield from (f"-{line}" for line in old.get(name, ()))
            yield from (f"+{line}" for line in new.get(name, ()))


def _binary(old: bytes | None, new: bytes | None, *, bytecode: bool) -> Iterator[str]:
    """Yield a summary of two versions that are no text: where they begin to differ, some bytes of each."""
    if old is None or new is None:
        found = old if old is not None else new or b""
        yield f"{'-' if new is None else '+'}{_hex(found, 0)}"
        return
    start = _first_difference(old, new)
    if bytecode and start < 16:
        yield f"# compiled {'by another Python' if start < 4 else 'from another version of its source'}"
    if start == min(len(old), len(new)):
        longer = "longer" if len(new) > len(old) else "shorter"
        yield f"# {len(old):,} -> {len(new):,} bytes: the same, then {longer}"
        return
    yield f"# {len(old):,} -> {len(new):,} bytes, the first {start:,} of them equal"
    at = start - start % _HEX_BYTES
    yield f"-{_hex(old, at)}"
    yield f"+{_hex(new, at)}"


def _first_difference(old: bytes, new: bytes) -> int:
    size, start = min(len(old), len(new)), 0
    step = 1 << 16
    while start < size and old[start : start + step] == new[start : start + step]:
        start += step
    while start < size and old[start] == new[start]:
        start += 1
    return min(start, size)


def _hex(data: bytes, at: int) -> str:
    row = data[at : at + _HEX_BYTES]
    text = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in row)
    return f"{at:08x}  {row.hex(' '):<47}  {text}"
