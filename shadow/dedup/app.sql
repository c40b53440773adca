-- Converted from: flink.sql

SET 'emit.semantics' = 'flink';

CREATE TABLE events (
    event_id STRING,
    kind STRING,
    region STRING,
    payload STRING,
    cost DECIMAL(12, 4),
    happened_at TIMESTAMP(3),
    WATERMARK FOR happened_at AS happened_at - INTERVAL '20' SECOND
)
WITH (
    'connector' = 'kafka',
    'topic' = 'audit.events',
    'properties.bootstrap.servers' = 'kafka:9092',
    'scan.startup.mode' = 'earliest-offset',
    'format' = 'json'
);

CREATE TABLE first_events (
    event_id STRING,
    kind STRING,
    region STRING,
    payload STRING,
    cost DECIMAL(12, 4),
    happened_at TIMESTAMP(3),
    PRIMARY KEY (event_id) NOT ENFORCED
)
WITH (
    'connector' = 'upsert-kafka',
    'topic' = 'audit.first_events',
    'properties.bootstrap.servers' = 'kafka:9092',
    'key.format' = 'json',
    'value.format' = 'json'
);

-- @metric: flink_first_events_rows_total
-- @metric_type: counter
-- @metric_help: Rows that first_events gave out
-- @metric_labels: kind, region
-- @metric: flink_first_events_cost
-- @metric_type: histogram
-- @metric_help: How cost of first_events is distributed
-- @metric_field: cost
-- @metric_buckets: 1, 10, 100, 1000, 10000, 100000
INSERT INTO first_events
SELECT event_id, kind, region, payload, cost, happened_at
FROM (
    SELECT *, ROW_NUMBER() OVER (PARTITION BY event_id ORDER BY happened_at ASC) AS version
    FROM events
)
WHERE version = 1;
