"""What a change did: two revisions of the project side by side."""
