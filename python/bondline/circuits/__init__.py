"""Circuits as the flat arrays that the engine takes."""
