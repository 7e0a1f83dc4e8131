"""Makes what configuring wrote reproducible, and free of this machine's state and of secrets."""
