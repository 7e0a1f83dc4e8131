"""Services of a project: what `up` must do, and doing it."""
