"""What adversaries make of published faces and trained networks. To measure defences with."""
