"""The state of a circuit as an object: kept, asked, saved and exchanged."""
