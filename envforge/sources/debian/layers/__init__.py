"""The jobs that make Debian's layers, done by confined workers."""
