"""Recipes: plain data that says how each layer is made. Pure functions of lock and facts, no effects."""
