"""Drafts: a spec, schemas, metrics and monitoring written from a program's plan."""
