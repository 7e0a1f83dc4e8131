"""Files of keys and certificates: recognised, and written the same way every time. Pure."""
