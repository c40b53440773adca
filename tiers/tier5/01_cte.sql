-- Airlines with more than one long delay, and how much of their flying that is.
CREATE TABLE unpunctual AS
WITH flown AS (
    SELECT airline, delay
    FROM flights
    WHERE NOT cancelled
),
counted AS (
    SELECT airline, COUNT(*) AS flown, COUNT(*) FILTER (WHERE delay > 15) AS late
    FROM flown
    GROUP BY airline
)
SELECT airline, flown, late, late * 100 / flown AS percent
FROM counted
WHERE late > 1;
