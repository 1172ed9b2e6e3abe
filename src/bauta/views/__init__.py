"""View synthesis: from one photo of a face, a small set of varied pictures of the same face."""
