"""Limits of sandboxes by cgroups: what can be enforced here, usage, freezing, changing them."""
