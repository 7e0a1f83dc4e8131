"""Reads one .deb: its members, its data unpacked into a tree, its facts for recipes."""
