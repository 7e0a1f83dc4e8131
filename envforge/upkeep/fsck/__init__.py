"""Checking a store against what it says of itself, and making again what was damaged."""
