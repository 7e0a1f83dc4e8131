"""Sources of content behind one interface: Debian packages, fetched files, the project's own files."""
