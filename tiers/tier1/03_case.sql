-- What a reading means, in words.
CREATE STREAM boiler_states AS
SELECT
    boiler,
    celsius,
    CASE
        WHEN celsius IS NULL THEN 'no reading'
        WHEN celsius >= 95 THEN 'overheated'
        WHEN celsius >= 60 THEN 'working'
        ELSE 'cold'
    END AS state,
    CASE valve WHEN 'O' THEN 'open' WHEN 'C' THEN 'closed' END AS valve
FROM boiler_readings;
