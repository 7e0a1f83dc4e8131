"""Relays between the payload and the host's terminal or sockets."""
