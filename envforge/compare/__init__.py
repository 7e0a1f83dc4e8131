"""Compares environments, and tells where what is in one comes from. Reads only."""
