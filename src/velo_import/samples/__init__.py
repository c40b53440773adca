"""Rows of the real inputs of a job: read from files and topics, and what they show as constraints of data schemas."""
