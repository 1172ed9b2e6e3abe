"""Faces of a photo: detection, landmarks, regions, and the canonical frame."""
