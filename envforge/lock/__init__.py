"""The lock: every input of an environment, pinned by SHA-256. From a spec's request to a file, and back."""
