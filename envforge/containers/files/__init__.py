"""A container's files, looked at from outside: foreign content, so a confined child does it."""
