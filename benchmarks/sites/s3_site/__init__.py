"""A site that keeps its files in B2 through django-storages and boto3; it serves none."""
