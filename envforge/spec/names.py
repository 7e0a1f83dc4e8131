"""How a spec's environments are called. Loads nothing: lists of what the store has need no more of a spec."""

from typing import Final

DEFAULT: Final = "default"
"""The spec's own environment."""


def label(name: str, environment: str) -> str:
    """Return an environment's name in lists: `shop` for a spec's own one, `shop:db` for another."""
    return name if environment == DEFAULT else f"{name}:{environment}"
