"""One script per peer, each run in a process of its own and in the peers' environment."""
