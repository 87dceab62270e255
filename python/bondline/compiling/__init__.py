"""QNodes whose circuit is kept: what depends on their arguments goes straight to the engine."""
