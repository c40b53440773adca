"""What assertions mean: one module per group, found by type through the registry."""
