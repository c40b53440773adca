"""`velo fmt`: SQL and YAML in one form, comments kept, meaning unchanged."""
