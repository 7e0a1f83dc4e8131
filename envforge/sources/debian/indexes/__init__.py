"""Package archives: their mirrors, signed Release files and indexes of packages."""
