"""What may be written in an assertion: one module per group, as tables."""
