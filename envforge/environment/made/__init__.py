"""Making an environment of layers, reading from it, and verifying it."""
