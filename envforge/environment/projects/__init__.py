"""A project: its spec, whose it is, what it may reach, and which environments it has had."""
