"""From an environment to the plan of its sandbox, with what comes of the host."""
