"""The two sides of a comparison: where they are, how their records are read, what their columns are."""
