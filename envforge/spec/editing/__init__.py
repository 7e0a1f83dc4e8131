"""Edits the text of a spec: packages in their lists, tables at its end. All else stays as it is."""
