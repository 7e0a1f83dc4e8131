"""From locked packages and their facts to recipes, and which can be made next. Pure."""
