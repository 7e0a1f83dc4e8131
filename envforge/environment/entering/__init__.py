"""From an environment to the plan of its sandbox, with what the host adds to it."""
