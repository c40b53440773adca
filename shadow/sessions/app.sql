-- Converted from: flink.sql

SET 'emit.semantics' = 'flink';

CREATE TABLE clicks (
    visitor STRING,
    country STRING,
    page STRING,
    size BIGINT,
    clicked_at TIMESTAMP(3),
    WATERMARK FOR clicked_at AS clicked_at - INTERVAL '1' MINUTE
)
WITH (
    'connector' = 'kafka',
    'topic' = 'web.clicks',
    'properties.bootstrap.servers' = 'kafka:9092',
    'scan.startup.mode' = 'earliest-offset',
    'format' = 'json'
);

CREATE TABLE visits (
    visitor STRING,
    country STRING,
    window_start TIMESTAMP(3),
    window_end TIMESTAMP(3),
    clicks BIGINT,
    size BIGINT,
    last_page STRING
)
WITH (
    'connector' = 'kafka',
    'topic' = 'web.visits',
    'properties.bootstrap.servers' = 'kafka:9092',
    'format' = 'json'
);

-- @metric: flink_visits_clicks_total
-- @metric_type: counter
-- @metric_help: Number of rows of clicks by visitor and country in windows of 5m
-- @metric_field: clicks
-- @metric_labels: country
-- @metric_window: 5m
-- @metric: flink_visits_bytes_total
-- @metric_type: counter
-- @metric_help: Sum of size of clicks by visitor and country in windows of 5m
-- @metric_field: size
-- @metric_labels: country
-- @metric_window: 5m
INSERT INTO visits
SELECT visitor, country, window_start, window_end, COUNT(*), SUM(size), MAX(page)
FROM clicks
GROUP BY visitor, country
WINDOW SESSION(clicked_at, INTERVAL '5' MINUTE)
EMIT FINAL;
