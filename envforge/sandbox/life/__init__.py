"""What runs: its records, a way in, a monitor that outlives its starter, upper directories that are kept."""
