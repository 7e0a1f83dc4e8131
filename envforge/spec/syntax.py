"""Decodes and parses the bytes of a spec into plain values; reports what is not UTF-8 or not TOML."""

import codecs
import re
import tomllib
from typing import Any, Final

from envforge.errors import SpecError
from envforge.spec.positions import Places, scan

SIZE_MAX: Final = 1 << 20
"""Bytes. Nobody writes a spec of this size: it is another file with a spec's name."""

_AT: Final = re.compile(r" \(at line (\d+), column (\d+)\)$")
_AT_END: Final = " (at end of document)"
_LONG_NUMBER: Final = re.compile(r"[0-9_]{4000,}")
_NO_NEWLINE: Final = "Expected newline or end of document after a statement"
_OUR_WORDS: Final = {
    "Illegal character '\\n'": "the quotes are not closed on this line",
    "Unclosed array": "a comma or ] is missing before this",
    "Unclosed inline table": "a comma or } is missing before this; an inline table stands on one line",
    _NO_NEWLINE: "the line should end before this",
}
"""tomllib's message -> plainer words."""

_MERGE_MARKER: Final = re.compile(r"^(?:<<<<<<<|=======|>>>>>>>|\|\|\|\|\|\|\|)", re.MULTILINE)


def decode(data: bytes, filename: str) -> str:
    """Return the text of a spec. Raises SpecError with the place of the first byte that is no UTF-8."""
    if len(data) > SIZE_MAX:
        raise SpecError(
            f"{filename}:1:1: {len(data)} bytes are too many for a spec", hint="is this the right file?"
        )
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise SpecError(f"{filename}:1:1: the file is UTF-16", hint=f"iconv -f utf-16 -t utf-8 {filename}")
    if data.startswith(codecs.BOM_UTF8):
        raise SpecError(
            f"{filename}:1:1: the file begins with a byte-order mark, which TOML does not have",
            hint=f"sed -i '1s/^\\xef\\xbb\\xbf//' {filename}",
        )
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        before = data[: error.start].decode()
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        raise SpecError(
            f"{filename}:{line}:{column}: byte 0x{data[error.start]:02x} is not UTF-8",
            hint="save the file as UTF-8",
        ) from None


def load_values(text: str, filename: str) -> dict[str, Any]:
    """Parse a TOML text. Raises SpecError with the place of the fault."""
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise SpecError(f"{filename}:1:1: values are nested too deeply") from None
    except ValueError as error:  # a TOMLDecodeError, or a plain one for a number of thousands of digits
        raise _syntax_error(text.replace("\r\n", "\n"), filename, str(error)) from None


def _syntax_error(text: str, filename: str, message: str) -> SpecError:
    if marker := _MERGE_MARKER.search(text):
        line = text.count("\n", 0, marker.start()) + 1
        return SpecError(
            f"{filename}:{line}:1: an unfinished merge", hint="settle what lies between the markers"
        )
    try:
        places = scan(text)
    except RecursionError:
        return SpecError(f"{filename}:1:1: values are nested too deeply")
    line, column, reason = _fault(places, message)
    return SpecError(f"{filename}:{line}:{column}: not TOML: {reason}", hint=_advice(text, line, reason))


def _fault(places: Places, message: str) -> tuple[int, int, str]:
    """Return line, column and reason of a syntax error; those of its cause where tomllib points behind it."""
    if position := _AT.search(message):
        line, column = int(position[1]), int(position[2])
        reason = message[: position.start()]
        return _repeated(places, line, column, reason) or (line, column, _in_our_words(reason))
    if number := _LONG_NUMBER.search(places.text):
        return *places.line_and_column(number.start()), "a number of thousands of digits"
    reason = _in_our_words(message.removesuffix(_AT_END))
    if places.unfinished is None:
        return *places.line_and_column(len(places.text)), reason
    return *places.line_and_column(places.unfinished), f"what begins here has no end ({reason})"


def _repeated(places: Places, line: int, column: int, reason: str) -> tuple[int, int, str] | None:
    """Return the place of a key that is given twice, if that is the fault."""
    if not reason.startswith("Cannot "):
        return None
    offset = sum(len(text) + 1 for text in places.text.split("\n")[: line - 1]) + column - 1
    met = [entry for entry in places.order if entry[0] <= offset]
    if not met:
        return None
    second, path = met[-1]
    first = places.line_and_column(places.keys[path])
    place = places.line_and_column(second)
    said = f"; first on line {first[0]}" if first[0] < place[0] else ""
    return *place, f"{path[-1]} is given twice{said}"


def _in_our_words(reason: str) -> str:
    return _OUR_WORDS.get(reason, reason[:1].lower() + reason[1:])


def _advice(text: str, line: int, reason: str) -> str:
    """Return a hint for what people forget most: the quotes."""
    written = text.split("\n")[line - 1]
    bare = re.search(r"[=\[,]\s*(?:0\d|\d+\.\d+\.|[A-Za-z~/*])", written)
    return "texts stand in quotes" if bare and reason in ("invalid value", _OUR_WORDS[_NO_NEWLINE]) else ""
