-- The program of ../../readings, made wrong: the millivolts are rounded to one digit after the point.

SET 'emit.semantics' = 'flink';

CREATE TABLE readings (
    reading_id BIGINT,
    device STRING,
    room STRING,
    shard INT,
    fahrenheit DOUBLE,
    volts DECIMAL(12, 6),
    charge INT,
    ok BOOLEAN,
    remark STRING,
    measured_at TIMESTAMP(6)
)
WITH (
    'connector' = 'kafka',
    'topic' = 'home.readings',
    'properties.bootstrap.servers' = 'kafka:9092',
    'scan.startup.mode' = 'earliest-offset',
    'format' = 'json'
);

CREATE TABLE measurements (
    reading_id BIGINT,
    device STRING,
    room STRING,
    shard INT,
    celsius DOUBLE,
    volts DECIMAL(12, 6),
    millivolts DECIMAL(16, 3),
    charge INT,
    ok BOOLEAN,
    remark STRING,
    measured_at TIMESTAMP(6)
)
WITH (
    'connector' = 'kafka',
    'topic' = 'home.measurements',
    'properties.bootstrap.servers' = 'kafka:9092',
    'format' = 'json'
);

-- @metric: flink_measurements_rows_total
-- @metric_type: counter
-- @metric_help: Rows that measurements gave out (fahrenheit > -40 only)
-- @metric_labels: ok
-- @alert: high_fahrenheit
-- @alert_severity: info
-- @metric: flink_measurements_shard
-- @metric_type: histogram
-- @metric_help: How shard of measurements is distributed (fahrenheit > -40 only)
-- @metric_field: shard
-- @metric_buckets: 1, 10, 100, 1000, 10000, 100000
-- @metric: flink_measurements_celsius
-- @metric_type: histogram
-- @metric_help: How celsius of measurements is distributed (fahrenheit > -40 only)
-- @metric_field: celsius
-- @metric_buckets: 1, 10, 100, 1000, 10000, 100000
-- @metric: flink_measurements_volts
-- @metric_type: histogram
-- @metric_help: How volts of measurements is distributed (fahrenheit > -40 only)
-- @metric_field: volts
-- @metric_buckets: 1, 10, 100, 1000, 10000, 100000
-- @metric: flink_measurements_millivolts
-- @metric_type: histogram
-- @metric_help: How millivolts of measurements is distributed (fahrenheit > -40 only)
-- @metric_field: millivolts
-- @metric_buckets: 1, 10, 100, 1000, 10000, 100000
INSERT INTO measurements
SELECT
    reading_id,
    UPPER(device),
    TRIM(room),
    shard,
    (fahrenheit - 32) * 5 / 9,
    volts,
    CAST(ROUND(volts * 1000, 1) AS DECIMAL(16, 3)),
    charge,
    ok AND charge > 0,
    COALESCE(remark, ''),
    measured_at
FROM readings
WHERE fahrenheit > -40;
