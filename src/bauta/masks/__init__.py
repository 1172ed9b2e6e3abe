"""Personal masks on photos: whose face is the owner's, putting a mask on, and taking it off."""
