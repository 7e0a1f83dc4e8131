"""What configuring wrote becomes the same bytes every time, and holds nothing of this machine."""
