"""Disk usage and garbage collection: what the store has, what keeps it, and what may go."""
