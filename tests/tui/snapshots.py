"""Pictures of a screen as text: its cells, the style of each as a letter, and what the letters mean."""

import os
import re
import string
from pathlib import Path

from driving import Driver

KEPT = Path(__file__).parent / "kept"
UPDATE = "ENVFORGE_UPDATE_PICTURES"
_CHANGING = (
    (re.compile(r"(?:\d+ (?:y|mo|d|h|min) ago|\bnow\b) *"), "TIME"),
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d"), "DATE"),
    (re.compile(r"\d\d:\d\d:\d\d"), "CLOCK"),
    (re.compile(r"(?<=/tui-)\w{8}"), "PLACE"),
)
"""What is another on each day and in each run; all of it keeps its width."""


def picture(driver: Driver) -> str:
    """Return the screen's picture."""
    width, height = driver.app.size
    strips = list(driver.app.screen._compositor.render_strips())[:height]
    text = ["".join(segment.text for segment in strip)[:width] for strip in strips]
    letters: dict[str, str] = {}
    styles = []
    for strip in strips:
        line = ""
        for segment in strip:
            name = str(segment.style or "")
            name = re.sub(r" ?(?:link|meta).*", "", name)
            letter = letters.setdefault(name, string.printable[min(len(letters), 93)])
            line += letter * len(segment.text)
        styles.append(line[:width])
    legend = [f"{letter} {name}" for name, letter in letters.items()]
    return "\n".join([*map(_settled, text), "", *styles, "", *legend, ""])


def _settled(line: str) -> str:
    for pattern, sign in _CHANGING:
        line = pattern.sub(lambda match, sign=sign: sign[: len(match[0])].ljust(len(match[0])), line)
    return line.rstrip()


def check(name: str, found: str) -> None:
    """Compare a picture with the one that is kept; write it where that is asked for."""
    path = KEPT / f"{name}.txt"
    if os.environ.get(UPDATE):
        KEPT.mkdir(exist_ok=True)
        path.write_text(found, encoding="utf-8")
    assert path.exists(), f"{path} is not there: {UPDATE}=1 writes it"
    kept = path.read_text(encoding="utf-8")
    assert found == kept, f"{name} looks another way; {UPDATE}=1 keeps it so\n{found}"
