"""How the contents of files differ: read in a confined child, compared by what kind of file it is."""
