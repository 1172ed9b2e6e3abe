"""Weight files: their records, where they lie, and the explicit fetching of some."""
