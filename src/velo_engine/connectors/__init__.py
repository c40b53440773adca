"""Connectors: where records come from and go to."""
