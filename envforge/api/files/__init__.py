"""A container's files, for faces: copied out and in, and proposed for the spec."""
