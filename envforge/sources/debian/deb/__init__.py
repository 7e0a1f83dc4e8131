"""One .deb: its members read, its data unpacked, what recipes must know of it."""
