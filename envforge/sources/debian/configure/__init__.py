"""Maintainer scripts run offline over a farm, and what they wrote becomes a layer."""
