"""The pytest plugin: hooks only; the harness does the work."""
