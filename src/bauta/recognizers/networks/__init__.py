"""Network architectures, one per file; each builds itself from a weight file."""
