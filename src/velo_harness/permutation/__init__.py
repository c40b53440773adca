"""Permutation mode: whether a query's result depends on the order in which its records arrive."""
