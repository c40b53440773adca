-- @app: hourly_departures
-- @description: Departures and delays of each New York airport, hour by hour
-- @version: 1.0.0

-- A departure is reported when the plane lands, so rows come hours out of order. Five hours of patience let in all but the
-- longest flights; what comes later than that is counted as late, never lost in silence.
CREATE TABLE hourly_departures AS
SELECT
    origin PRIMARY KEY,
    window_start PRIMARY KEY,
    COUNT(*) AS departures,
    AVG(CAST(dep_delay AS DECIMAL(6, 1))) AS average_delay,
    MAX(dep_delay) AS longest_delay
FROM departures
WINDOW TUMBLING(departed_at, 1h)
GROUP BY origin
EMIT FINAL
WITH (
    'departures.type' = 'kafka_source',
    'departures.topic' = 'departures',
    'departures.format' = 'json',
    'departures.event.time.field' = 'departed_at',
    'departures.watermark.strategy' = 'bounded_out_of_orderness',
    'departures.watermark.max_out_of_orderness' = '5h',
    'hourly_departures.type' = 'kafka_sink',
    'hourly_departures.topic' = 'hourly_departures'
);

-- The same counts over the last three hours, every hour.
CREATE TABLE rolling_departures AS
SELECT
    origin PRIMARY KEY,
    window_start PRIMARY KEY,
    COUNT(*) AS departures,
    SUM(distance) AS miles
FROM departures
WINDOW SLIDING(departed_at, 3h, 1h)
GROUP BY origin
EMIT FINAL
WITH (
    'departures.type' = 'kafka_source',
    'departures.topic' = 'departures',
    'departures.event.time.field' = 'departed_at',
    'departures.watermark.max_out_of_orderness' = '5h'
);
