"""Containers, and sandboxes that run, as a side of a comparison: what they changed over their layers."""
