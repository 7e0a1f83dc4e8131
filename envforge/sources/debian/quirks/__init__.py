"""Deviations from what packages do when they are configured: reviewed tables, and stand-in programs."""
