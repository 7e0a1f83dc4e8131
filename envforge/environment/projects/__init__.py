"""A project: its spec and who owns it, its reach and the user's consent, and its generations."""
