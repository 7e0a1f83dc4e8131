"""Colours: one dark and one light theme. Without colours (`NO_COLOR`) signs say what colours do."""

from typing import Final

from textual.theme import Theme

DARK: Final = "envforge-dark"
LIGHT: Final = "envforge-light"


def _scrollbars(quiet: str, held: str, beneath: str) -> dict[str, str]:
    """Return the variables of scroll bars, which lie on what is beneath them as borders do."""
    return {
        "scrollbar": quiet,
        "scrollbar-hover": held,
        "scrollbar-active": held,
        "scrollbar-background": beneath,
        "scrollbar-background-hover": beneath,
        "scrollbar-background-active": beneath,
        "scrollbar-corner-color": beneath,
    }


THEMES: Final = (
    Theme(
        name=DARK,
        dark=True,
        primary="#6cb6ff",
        secondary="#b083f0",
        accent="#f69d50",
        success="#57ab5a",
        warning="#daaa3f",
        error="#f47067",
        foreground="#d3dae3",
        background="#15191f",
        surface="#1b2027",
        panel="#262d36",
        variables={
            "muted": "#8b96a3",
            "cursor": "#2b4566",
            "cursor-blurred": "#2a313b",
            "edge": "#39424e",
            **_scrollbars("#39424e", "#8b96a3", "#15191f"),
        },
    ),
    Theme(
        name=LIGHT,
        dark=False,
        primary="#0b5cad",
        secondary="#6f42c1",
        accent="#a04100",
        success="#1a7f37",
        warning="#8a6100",
        error="#c11f27",
        foreground="#1d2329",
        background="#ffffff",
        surface="#f4f6f8",
        panel="#e6eaee",
        variables={
            "muted": "#5b6570",
            "cursor": "#cfe3f8",
            "cursor-blurred": "#e6eaee",
            "edge": "#c3cbd3",
            **_scrollbars("#c3cbd3", "#5b6570", "#ffffff"),
        },
    ),
)
