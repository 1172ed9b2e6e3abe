"""Albums: folders of thousands of photos and videos, done once, gone on with after anything."""
