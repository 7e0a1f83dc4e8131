"""What containers have written: their logs, the lines that come, and being attached to one."""

from envforge.containers.output.attaching import Attachment, Keys
from envforge.containers.output.logs import Entry, entries, follow

__all__ = ["Attachment", "Entry", "Keys", "entries", "follow"]
