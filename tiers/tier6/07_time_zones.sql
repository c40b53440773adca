CREATE TABLE till_receipts (till STRING, at TIMESTAMP_LTZ(3), WATERMARK FOR at AS at);

-- Receipts per day, as the shop in Berlin counts days.
CREATE TABLE per_day AS
SELECT window_start PRIMARY KEY, window_end, COUNT(*) AS receipts
FROM till_receipts
WINDOW TUMBLING(at, INTERVAL '1' DAY)
EMIT FINAL;

-- What the clock on the wall showed.
CREATE STREAM wall_clock AS
SELECT
    till,
    DATE_FORMAT(at, 'yyyy-MM-dd HH:mm') AS shown,
    EXTRACT(HOUR FROM at) AS local_hour,
    TIMESTAMPDIFF(MINUTE, TO_TIMESTAMP_LTZ(1743289200, 0), at) AS minutes_into_the_day
FROM till_receipts;
