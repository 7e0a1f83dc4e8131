"""Readers of tar archives and of the compressions that they come in. They write no file."""
