"""`[[files]]`: files of the project that become a part of the environment."""
