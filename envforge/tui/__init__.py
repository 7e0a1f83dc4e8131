"""The terminal user interface (`envforge tui`): `core/` decides without Textual, the rest draws and asks."""
