-- How late flights left, and where in the day and week.
CREATE STREAM departures AS
SELECT
    flight,
    TIMESTAMPDIFF(MINUTE, scheduled, departed) AS minutes_late,
    FLOOR(scheduled TO HOUR) AS hour_of_plan,
    EXTRACT(DAY FROM scheduled) AS day_of_month,
    DATE_FORMAT(scheduled, 'yyyy-MM-dd HH:mm') AS printed,
    scheduled + INTERVAL '45' MINUTE AS gate_closes_again
FROM flight_legs;

-- Flights that should have left by now and have not.
CREATE STREAM overdue AS
SELECT flight
FROM flight_legs
WHERE departed IS NULL AND scheduled < LOCALTIMESTAMP;
