"""PennyLane's operators: what the engine runs as it is, and what comes with them."""
