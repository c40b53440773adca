"""The test spec of a converted job, and how much of a changed program it notices."""
