"""Debian packages: indexes, resolving, unpacking, maintainer scripts, dpkg's database."""
