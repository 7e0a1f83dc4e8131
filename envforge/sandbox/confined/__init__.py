"""Work on foreign content: processes that see nothing of the host, and commands in the trees they work on."""
