"""The planner: from a parsed program to its typed logical plan."""
