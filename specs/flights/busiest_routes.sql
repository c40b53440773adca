-- @app: busiest_routes
-- @description: Which routes are flown most, and by how many airlines

CREATE TABLE busiest_routes AS
SELECT
    origin PRIMARY KEY,
    dest PRIMARY KEY,
    COUNT(*) AS departures,
    COUNT(DISTINCT carrier) AS airlines,
    SUM(distance) AS miles
FROM departures
GROUP BY origin, dest
HAVING COUNT(*) >= 10
EMIT CHANGES
WITH (
    'departures.type' = 'kafka_source',
    'departures.topic' = 'departures'
);

CREATE TABLE airport_totals AS
SELECT
    origin PRIMARY KEY,
    COUNT(*) AS departures,
    COUNT(DISTINCT dest) AS destinations,
    COUNT(DISTINCT tailnum) AS planes,
    AVG(distance) AS average_miles,
    SUM(CAST(distance AS DECIMAL(8, 2)) * 1.609) AS kilometres
FROM departures
GROUP BY origin
EMIT CHANGES
WITH (
    'departures.type' = 'kafka_source',
    'departures.topic' = 'departures'
);
