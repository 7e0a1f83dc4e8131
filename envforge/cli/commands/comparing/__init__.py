"""`diff`, `why`, `why-rebuilt`, `owns`: what differs between environments, and where things come from."""
