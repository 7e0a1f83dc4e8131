"""What store and sandbox stand on: system calls and their filter, processes, access to untrusted trees."""
