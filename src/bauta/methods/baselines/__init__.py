"""What others do, composed from the same engine, to be compared on equal terms."""
