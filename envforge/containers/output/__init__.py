"""A container's output, for commands: its log, and the lines that come while one is attached."""
