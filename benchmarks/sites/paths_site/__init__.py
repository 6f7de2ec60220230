"""A site of short views, each with another way to fetch a file from B2: the ways that b2router could have gone."""
