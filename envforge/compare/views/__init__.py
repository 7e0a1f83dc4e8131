"""A comparison as lines for a terminal, as plain values for JSON, as an HTML file."""
