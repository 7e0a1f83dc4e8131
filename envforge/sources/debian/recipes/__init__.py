"""From locked packages and their facts to recipes, steps and waves of unpacking. Pure."""
