"""Which ids this user may map, and calling a function in a namespace that maps them."""
