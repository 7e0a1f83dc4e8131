"""`[[fetch]]`: files and archives from any address, pinned by SHA-256 when they are locked."""
