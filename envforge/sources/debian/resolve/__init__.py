"""Resolves a request: apt, run from a tool tree of its own, chooses packages over verified indexes."""
