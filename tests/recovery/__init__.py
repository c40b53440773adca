"""Jobs killed at any moment: what reaches the topics is what reaches them when nobody kills."""
