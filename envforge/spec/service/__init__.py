"""`[services.NAME]`: its tables, and the grammar of their values."""
