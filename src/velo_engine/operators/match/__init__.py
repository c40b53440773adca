"""Matching of row patterns: the automaton of a pattern, what definitions say of rows, the matches of one partition."""
