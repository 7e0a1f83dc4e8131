"""The content-addressed store: paths, blobs, layers and their listings. No specs, no packages."""
