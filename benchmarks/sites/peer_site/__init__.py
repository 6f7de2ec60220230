"""A site that serves its files with django-backblaze-b2."""
