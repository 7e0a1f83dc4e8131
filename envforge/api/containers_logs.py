"""What containers have written: their logs, and the lines that come."""

from envforge.containers.logs import Entry, entries, follow

__all__ = ["Entry", "entries", "follow"]
