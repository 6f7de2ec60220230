"""A site that serves its files with b2router."""
