"""The plan of a sandbox: a value, fitted to this machine, compiled for the warm path."""
