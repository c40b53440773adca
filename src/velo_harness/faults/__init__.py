"""Faults that a spec asks for: injected into its inputs, and followed to what becomes of each."""
