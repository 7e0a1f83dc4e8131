"""Where something else is done than packages ask for: reviewed tables, and programs that stand in."""
