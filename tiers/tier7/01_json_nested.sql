CREATE TABLE telemetry (
    device ROW<id STRING,
    model STRING>,
    readings ARRAY<DOUBLE>,
    labels MAP<STRING,
    STRING>
)
WITH ('connector' = 'kafka', 'topic' = 'telemetry', 'format' = 'json');

-- What is inside, as flat columns.
CREATE STREAM flat_telemetry AS
SELECT
    device.id AS device,
    UPPER(device.model) AS model,
    readings[1] AS first_reading,
    CARDINALITY(readings) AS readings,
    labels['site'] AS site
FROM telemetry;

-- One row for each reading above 20.
CREATE STREAM high_readings AS
SELECT device.id AS device, reading
FROM telemetry
CROSS JOIN UNNEST (readings) AS r (reading)
WHERE reading > 20;
