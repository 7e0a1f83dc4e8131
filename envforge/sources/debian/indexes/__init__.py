"""Archives of packages: where they are, who has signed them, what they have."""
