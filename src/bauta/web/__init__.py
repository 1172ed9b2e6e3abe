"""The local page: a web server of this machine for the browser on it, and for nobody else."""
