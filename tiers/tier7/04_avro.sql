CREATE TABLE sensor_frames (
    sensor STRING NOT NULL,
    temperature DECIMAL(6, 2),
    measured_at TIMESTAMP(3) NOT NULL,
    samples ARRAY<BIGINT>,
    raw BYTES
)
WITH ('connector' = 'kafka', 'topic' = 'sensor_frames', 'format' = 'avro');

CREATE TABLE warm_frames (
    sensor STRING,
    temperature DECIMAL(6, 1),
    measured_at TIMESTAMP(3),
    sample_count INT,
    raw BYTES
)
WITH ('connector' = 'kafka', 'topic' = 'warm_frames', 'format' = 'avro');

INSERT INTO warm_frames
SELECT sensor, CAST(temperature AS DECIMAL(6, 1)), measured_at, CARDINALITY(samples), raw
FROM sensor_frames
WHERE temperature >= 0.05;
