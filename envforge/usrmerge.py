"""Debian's merged /usr: the top-level directories that are links into /usr in every environment."""

from typing import Final

LINKS: Final = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
"""/NAME is a link to usr/NAME wherever that exists (names of amd64 and arm64)."""
