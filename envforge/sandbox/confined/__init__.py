"""Confined processes, which work on foreign content and see nothing of the host; commands in trees."""
