-- How the speed of each truck changed from one message to the next.
CREATE TABLE truck_speeds (
    truck STRING,
    kmh INT,
    at TIMESTAMP(3),
    WATERMARK FOR at AS at - INTERVAL '3' SECOND
);

CREATE STREAM speed_changes AS
SELECT
    truck,
    at,
    kmh,
    LAG(kmh) OVER w AS before,
    kmh - LAG(kmh) OVER w AS change,
    LAG(kmh, 2) OVER w AS before_that
FROM truck_speeds
WINDOW w AS (PARTITION BY truck ORDER BY at);
