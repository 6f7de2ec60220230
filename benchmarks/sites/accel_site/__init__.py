"""The site of b2router whose public files nginx delivers."""
