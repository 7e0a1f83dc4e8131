"""Layer caches: builds take from them the layers that the store lacks, and put into them those they make.

Nothing in a cache is trusted. A layer's archive holds its listing, which must hash to the digest that was
asked for, and the file contents that the listing names; owners, modes, times and links are the listing's.
"""
