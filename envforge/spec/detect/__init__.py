"""Propose a spec for what lies in a directory."""

from envforge.spec.detect.proposal import propose

__all__ = ["propose"]
