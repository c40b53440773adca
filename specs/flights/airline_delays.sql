-- @app: airline_delays
-- @description: Delays by airline, with the airline's name

-- Every departure with the name of its airline and how the delay feels.
CREATE STREAM named_departures AS
SELECT
    d.carrier,
    a.name AS airline,
    d.flight,
    d.origin,
    d.dest,
    d.dep_delay,
    CASE
        WHEN d.dep_delay IS NULL THEN 'cancelled'
        WHEN d.dep_delay <= 0 THEN 'on time'
        WHEN d.dep_delay <= 15 THEN 'short'
        WHEN d.dep_delay <= 60 THEN 'long'
        ELSE 'very long'
    END AS delay_class
FROM departures d
JOIN airlines a ON d.carrier = a.carrier
WITH (
    'departures.type' = 'kafka_source',
    'departures.topic' = 'departures',
    'airlines.type' = 'file_source',
    'airlines.path' = '../../fixtures/flights/airlines.csv',
    'airlines.format' = 'csv',
    'airlines.has_headers' = 'true'
);

-- A running total per airline: one updated row for every departure.
CREATE TABLE airline_delays AS
SELECT
    airline PRIMARY KEY,
    COUNT(*) AS departures,
    COUNT(dep_delay) AS flown,
    SUM(dep_delay) AS delay_minutes,
    AVG(CAST(dep_delay AS DECIMAL(6, 1))) AS average_delay,
    MIN(dep_delay) AS earliest,
    MAX(dep_delay) AS latest
FROM named_departures
GROUP BY airline
EMIT CHANGES;

-- Airlines that a traveller may want to avoid.
CREATE TABLE slow_airlines AS
SELECT airline PRIMARY KEY, average_delay
FROM airline_delays
WHERE flown >= 50 AND average_delay > 15
EMIT CHANGES;
