"""A real Flink as a second opinion: found or installed, asked what it makes of a query, its answers recorded."""
