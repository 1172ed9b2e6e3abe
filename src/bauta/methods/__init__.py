"""Protection methods, one per file; they register themselves by name."""
