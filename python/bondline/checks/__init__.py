"""Runs that check other runs."""
