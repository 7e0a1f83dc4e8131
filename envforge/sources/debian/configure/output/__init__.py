"""What scripts print while they run: heard, understood, and told as an error."""
