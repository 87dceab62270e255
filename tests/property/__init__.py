"""Laws that hold for every circuit."""
