"""Running sandboxes: listing and joining them, keeping their changes, a monitor that outlives the starter."""
