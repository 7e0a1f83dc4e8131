"""How a container's supervisor is started, as who asks for it sees it."""
