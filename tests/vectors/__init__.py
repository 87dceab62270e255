"""Golden files that the Rust and the Python tests both read."""
