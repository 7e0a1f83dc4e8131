"""Sandboxes on Linux namespaces: ids, mounts, the payload. Knows paths, ids and plans, never a spec."""
