"""Makeup: where it goes on a face, and how it looks there."""
