"""Detached containers, their networks, and the services of a project."""
