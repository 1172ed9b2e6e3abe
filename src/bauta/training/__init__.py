"""Training of recognizers: recipes, data, losses, and the loop."""
