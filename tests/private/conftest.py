"""Faces to train on."""

from __future__ import annotations

from tests.training.conftest import album, little

__all__ = ["album", "little"]
