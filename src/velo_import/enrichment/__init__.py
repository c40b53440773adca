"""What a language model proposes for an import (`--ai`): names, words, thresholds, ranges; all is checked first.

The meaning of a program never comes from there: the SQL of statements is not among what can be proposed.
"""
