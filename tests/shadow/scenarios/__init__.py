"""The scenarios of `shadow/`: their input, what a real Flink made of it, and what our engine makes of it."""
