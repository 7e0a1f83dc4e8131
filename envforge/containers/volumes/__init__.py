"""Named volumes: directories that outlive containers, and archives of them."""
