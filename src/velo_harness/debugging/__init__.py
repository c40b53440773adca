"""A debugger over a job that is stepped record by record."""
