"""Comparing two streams that go on: bounded memory, its own checkpoints, a verdict at any moment."""
