"""Kafka: topics of a cluster, by confluent-kafka, which is imported when a job touches a broker."""
