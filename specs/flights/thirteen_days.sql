-- @app: thirteen_days
-- @description: All 11 280 departures, read from one file a day

CREATE TABLE daily_departures AS
SELECT
    origin PRIMARY KEY,
    window_start PRIMARY KEY,
    COUNT(*) AS departures,
    COUNT(DISTINCT dest) AS destinations,
    SUM(distance) AS miles,
    AVG(CAST(dep_delay AS DECIMAL(6, 1))) AS average_delay
FROM departures
WINDOW TUMBLING(departed_at, 24h)
GROUP BY origin
EMIT FINAL
WITH (
    'departures.type' = 'file_source',
    'departures.path' = '../../fixtures/flights/departures/*.csv',
    'departures.format' = 'csv',
    'departures.has_headers' = 'true',
    'departures.event.time.field' = 'departed_at',
    'departures.watermark.max_out_of_orderness' = '12h'
);
