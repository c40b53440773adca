-- Every event once, in its first version: the queue delivers some of them again.
CREATE TABLE events (
  event_id STRING,
  kind STRING,
  region STRING,
  payload STRING,
  cost DECIMAL(12, 4),
  happened_at TIMESTAMP(3),
  WATERMARK FOR happened_at AS happened_at - INTERVAL '20' SECOND
) WITH (
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
) WITH (
  'connector' = 'upsert-kafka',
  'topic' = 'audit.first_events',
  'properties.bootstrap.servers' = 'kafka:9092',
  'key.format' = 'json',
  'value.format' = 'json'
);

INSERT INTO first_events
SELECT event_id, kind, region, payload, cost, happened_at
FROM (
  SELECT *, ROW_NUMBER() OVER (PARTITION BY event_id ORDER BY happened_at ASC) AS version
  FROM events
)
WHERE version = 1;
