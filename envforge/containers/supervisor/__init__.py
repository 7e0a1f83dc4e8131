"""The one process that a container has outside: it starts it, writes its log, ends or restarts it."""
