"""The screens, one module each. They draw what `core` says, and hand work to the app."""
