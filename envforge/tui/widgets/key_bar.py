"""The line at the bottom: the keys that work now, in one widget. Textual's own makes two for each key."""

from typing import ClassVar, Final

from attrs import frozen
from rich.text import Text
from textual import events
from textual.screen import Screen

from envforge.tui.widgets.styles import Styled

_LAST: Final = 2
"""So many keys at the end always stay: how to leave, and where all other keys are told."""


@frozen
class _Key:
    """One key as it is shown."""

    key: str
    """Textual's name of it."""
    shown: str
    does: str
    is_on: bool

    @property
    def width(self) -> int:
        return len(self.shown) + 1 + len(self.does)


class KeyBar(Styled):
    """Keys and what they do. A click on one presses it."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"keys--key", "keys--off"}

    def __init__(self) -> None:
        super().__init__()
        self._keys: tuple[_Key, ...] = ()
        self._places: list[tuple[int, int, _Key]] = []

    def on_mount(self) -> None:
        """Draw anew whenever other keys work."""
        self.screen.bindings_updated_signal.subscribe(self, self._changed)

    def _changed(self, screen: Screen[object]) -> None:
        if not self.is_attached or screen is not self.screen:
            return
        by_action: dict[str, _Key] = {}
        focused = screen.focused
        is_typing = focused is not None and focused.check_consume_key("slash", "/")
        for _, binding, is_on, _ in screen.active_bindings.values():
            if binding.show and not (is_typing and binding.key == "slash"):  # the one that Textual leaves in
                key = _Key(binding.key, self.app.get_key_display(binding), binding.description, is_on)
                known = by_action.setdefault(binding.action, key)
                if known.shown.startswith("^"):  # a key without ctrl is the simpler one, where it works now
                    by_action[binding.action] = key
        if tuple(by_action.values()) != self._keys:
            self._keys = tuple(by_action.values())
            self.refresh()

    @property
    def text(self) -> str:
        """Return what is shown."""
        return self.render().plain

    def render(self) -> Text:
        """Draw as many as fit, closer together where it is narrow."""
        keys, gap = self._fitting()
        line = Text(" ", no_wrap=True, end="")
        self._places = []
        for number, one in enumerate(keys):
            if number:
                line.append(" " * gap)
            start = line.cell_len
            line.append(one.shown, self.style_of("keys--key" if one.is_on else "keys--off"))
            line.append(f" {one.does}", "" if one.is_on else self.style_of("keys--off"))
            self._places.append((start, line.cell_len, one))
        return line

    def _fitting(self) -> tuple[list[_Key], int]:
        """Return the keys that there is room for, and how many cells are between two."""
        keys, room = list(self._keys), self.size.width - 1
        for gap in (2, 1):
            if sum(one.width + gap for one in keys) - gap <= room:
                return keys, gap
        while len(keys) > _LAST and sum(one.width + 1 for one in keys) - 1 > room:
            del keys[-_LAST - 1]
        return keys, 1

    def on_click(self, event: events.Click) -> None:
        """Press the key that was clicked."""
        for start, end, one in self._places:
            if start <= event.x < end and one.is_on:
                self.app.simulate_key(one.key)
