"""What the supervisor knows: the owners of files, the ids of processes, and by which names they go."""
