"""The Avro format: plain datums and Confluent-framed ones, decoded column by column with numpy."""
