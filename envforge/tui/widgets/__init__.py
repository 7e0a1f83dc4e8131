"""Widgets that several screens share. They draw and post messages, and know nothing of environments."""
