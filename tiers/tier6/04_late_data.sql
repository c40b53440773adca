CREATE TABLE rain_tumbling AS
SELECT
    window_start PRIMARY KEY,
    COUNT(*) AS reports,
    SUM(rain) AS rain,
    MAX(station) AS last_station
FROM weather_reports
WINDOW TUMBLING(at, 10m)
EMIT FINAL
WITH (
    'weather_reports.event.time.field' = 'at',
    'weather_reports.watermark.max_out_of_orderness' = '1m'
);

-- Overlapping windows: a row may be too late for one and in time for another.
CREATE TABLE rain_sliding AS
SELECT window_start PRIMARY KEY, SUM(rain) AS rain, MAX(station) AS last_station
FROM weather_reports
WINDOW SLIDING(at, 20m, 10m)
EMIT FINAL
WITH (
    'weather_reports.event.time.field' = 'at',
    'weather_reports.watermark.max_out_of_orderness' = '1m'
);
