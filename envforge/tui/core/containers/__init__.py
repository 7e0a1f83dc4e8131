"""The Containers screen without a terminal: its rows, its facts, its samples, its log."""
