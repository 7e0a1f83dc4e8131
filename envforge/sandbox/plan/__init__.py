"""What a sandbox shall be: a value, fitted to this machine, compiled for the warm path."""
