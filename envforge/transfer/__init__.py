"""Bytes from http(s) and file addresses into the store: connections kept open, proxies, resuming, hashes."""
