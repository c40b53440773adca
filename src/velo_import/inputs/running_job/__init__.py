"""Running jobs of a Flink cluster: SQL rebuilt from what the operators say of themselves."""
