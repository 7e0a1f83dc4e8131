"""An environment: ordered layers plus a runtime part; its history, and the plan of its sandbox."""
