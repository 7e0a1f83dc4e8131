"""Which packages a request means: apt's answer, over verified indexes, in a tool tree of its own."""
