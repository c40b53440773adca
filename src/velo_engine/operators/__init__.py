"""Operators: functions from change batches to change batches, with state that can be saved."""
