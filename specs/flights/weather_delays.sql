-- @app: weather_delays
-- @description: The weather at the hour of each scheduled departure, and what it does to delays

CREATE STREAM departures_with_weather AS
SELECT
    d.carrier,
    d.flight,
    d.origin,
    d.scheduled_hour,
    d.dep_delay,
    w.temp,
    w.wind_speed,
    w.visib,
    COALESCE(w.precip, 0) > 0 AS wet
FROM departures d
LEFT JOIN weather w ON d.origin = w.origin AND d.scheduled_hour = w.hour
WITH (
    'departures.type' = 'kafka_source',
    'departures.topic' = 'departures',
    'weather.type' = 'file_source',
    'weather.path' = '../../fixtures/flights/weather.csv',
    'weather.format' = 'csv',
    'weather.has_headers' = 'true'
);

CREATE TABLE weather_delays AS
SELECT
    origin PRIMARY KEY,
    wet PRIMARY KEY,
    COUNT(dep_delay) AS flown,
    SUM(dep_delay) AS delay_minutes,
    AVG(temp) AS average_temp,
    MIN(visib) AS lowest_visibility
FROM departures_with_weather
WHERE dep_delay IS NOT NULL
GROUP BY origin, wet
EMIT CHANGES;
