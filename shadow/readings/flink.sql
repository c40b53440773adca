-- Readings of devices made uniform: texts trimmed, units converted, times of more digits.
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
) WITH (
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
) WITH (
  'connector' = 'kafka',
  'topic' = 'home.measurements',
  'properties.bootstrap.servers' = 'kafka:9092',
  'format' = 'json'
);

INSERT INTO measurements
SELECT
  reading_id, UPPER(device), TRIM(room), shard, (fahrenheit - 32) * 5 / 9, volts,
  CAST(volts * 1000 AS DECIMAL(16, 3)), charge, ok AND charge > 0, COALESCE(remark, ''), measured_at
FROM readings
WHERE fahrenheit > -40;
