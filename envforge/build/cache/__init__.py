"""Caches of layers: where a build looks for what this store lacks, and leaves what others may want.

Nothing in one is believed. A layer's archive holds its listing, whose SHA-256 is the digest that was asked
for, and the contents that the listing names; owners, modes, times and links are the listing's alone.
"""
