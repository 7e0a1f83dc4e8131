"""Runs maintainer scripts offline over a farm; the files that they write become a layer."""
