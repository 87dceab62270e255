"""Side-by-side benchmarks of bondline and its peers; start with ``python -m benches.run``."""
