"""PennyLane devices of bondline."""
