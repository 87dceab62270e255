"""What a run discarded, and whether its values can be believed."""
