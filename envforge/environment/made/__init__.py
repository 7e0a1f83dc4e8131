"""An environment: made of its layers, looked at, and checked."""
