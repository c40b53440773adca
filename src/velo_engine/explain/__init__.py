"""What a plan means for those who run it: changes and keys on every edge, state and its bounds, and advice."""
