"""A town library's files: what anyone may take, what members, staff and one owner may read."""
