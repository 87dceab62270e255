"""PennyLane's measurements: what the engine is asked for them, and how its answers are read."""
