"""The output of scripts while they run: read, parsed, turned into errors."""
