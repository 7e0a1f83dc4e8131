"""The ground floor of store and sandbox: system calls and their filter, processes, untrusted trees."""
