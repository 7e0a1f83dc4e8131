"""Packages of Debian archives: indexes, resolving, archives, the dpkg database."""
