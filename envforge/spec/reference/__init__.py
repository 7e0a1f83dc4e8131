"""The spec's reference (`specs/README.md`) and its JSON schema, made from the models' docstrings."""
