"""Builds layers from recipes: runs the sources' tasks in worker processes and publishes what they stage."""
