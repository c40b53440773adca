"""What a running job shows: metrics of its own and of the program, and whether it is well."""
