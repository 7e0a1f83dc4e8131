"""Proposes a spec from the files in a directory."""

from envforge.spec.detect.proposal import propose

__all__ = ["propose"]
