"""Locked, content-addressed, rootless development environments from one TOML file."""

__version__ = "0.1.0"
