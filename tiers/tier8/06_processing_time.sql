CREATE TABLE doorbell (house STRING, rung AS PROCTIME());

-- Rings per minute of the clock.
CREATE TABLE rings_per_minute AS
SELECT house, TUMBLE_START(rung, INTERVAL '1' MINUTE) AS since, COUNT(*) AS rings
FROM doorbell
GROUP BY house, TUMBLE(rung, INTERVAL '1' MINUTE);
