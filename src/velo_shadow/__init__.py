"""The shadow comparator: tells, with evidence, whether two streams are the same."""
