"""The Protobuf format: plain messages and Confluent-framed ones."""
