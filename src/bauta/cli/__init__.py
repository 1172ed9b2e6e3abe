"""The command line: thin, it calls the library and prints."""

from __future__ import annotations

from bauta.cli.app import main

__all__ = ["main"]
