"""Recipes become layers: fetch, unpack, farm, configure, normalise, publish. Runs inside namespace A."""
