"""SQL coverage: which ways through the SQL under test the rows of its specs have taken."""
