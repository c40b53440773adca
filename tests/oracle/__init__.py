"""Cases with recorded answers of a real Flink, and their replay on our engine."""
