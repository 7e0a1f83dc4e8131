"""The user's TOML: its model, and how it is read, edited, proposed and described. Imports no later step."""
