"""Kafka: where brokers come from, and what reads and writes them."""
