CREATE TABLE meter_pulses (
    pulse_id BIGINT,
    watt_hours BIGINT,
    at TIMESTAMP(3),
    WATERMARK FOR at AS at - INTERVAL '20' SECOND
)
WITH ('connector' = 'kafka', 'topic' = 'meter_pulses', 'format' = 'json');

-- Each pulse once, though the network sends some of them again.
CREATE STREAM single_pulses AS
SELECT pulse_id, watt_hours, at
FROM (
    SELECT *, ROW_NUMBER() OVER (PARTITION BY pulse_id ORDER BY at) AS rn
    FROM meter_pulses
)
WHERE rn = 1;

CREATE TABLE used_per_minute AS
SELECT window_start, COUNT(*) AS pulses, SUM(watt_hours) AS watt_hours
FROM TABLE(TUMBLE(TABLE single_pulses, DESCRIPTOR(at), INTERVAL '1' MINUTE))
GROUP BY window_start, window_end;

-- What it would be without care.
CREATE TABLE naive_total AS
SELECT COUNT(*) AS pulses, SUM(watt_hours) AS watt_hours
FROM meter_pulses;
