"""Garbage collection: deciding what goes, moving it to the trash, bringing it back."""
