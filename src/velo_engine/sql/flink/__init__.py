"""The `flink` dialect: what Apache Flink's own parser accepts, read into statements with their places."""
