"""Mutation score: which small changes of the SQL under test its specs notice."""
