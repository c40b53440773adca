"""What a client of Kafka may rely on, checked through librdkafka on every kind of broker.

Each check runs on the embedded broker and on a real Apache Kafka; the latter shows that the check is right. Where the two
may differ, the check says what each does.
"""
