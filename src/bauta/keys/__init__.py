"""Key files: personal masks and what opens them, versioned, checked, and sealed if wanted."""
