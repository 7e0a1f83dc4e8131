"""Downloads from http(s) and file addresses into the store: keep-alive, proxies, resuming, hashing."""
