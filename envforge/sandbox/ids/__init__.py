"""Who we are here: which ids may be mapped, and calling a function with all of them."""
