"""dpkg's own formats: names, relations, paragraphs, the database."""
