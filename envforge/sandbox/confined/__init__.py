"""Confined processes, which handle untrusted content and see nothing of the host; commands in trees."""
