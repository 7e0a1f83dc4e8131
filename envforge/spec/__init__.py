"""The user's TOML: its model, and how it is read, edited, proposed and described. Knows nothing below it."""
