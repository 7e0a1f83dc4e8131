"""What containers use, and their limits while they run."""
