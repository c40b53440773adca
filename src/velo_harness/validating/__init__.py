"""Checking specs, data schemas and programs without running anything: every problem with its place."""
