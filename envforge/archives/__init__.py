"""Reading archives of any kind: tar, and the compressions that it comes in. Writes no file."""
