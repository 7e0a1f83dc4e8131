"""The content-addressed store: paths, blobs, layers and their listings. Knows nothing of specs or packages."""
