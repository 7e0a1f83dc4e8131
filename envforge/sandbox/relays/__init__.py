"""Relays between the payload and something of the host's: a terminal, a socket."""
