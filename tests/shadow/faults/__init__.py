"""Faults from seeds, over scenario, column and magnitude: each must be found, none may end SAFE, and its cause named."""
