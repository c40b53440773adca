CREATE TABLE lock_events (lock STRING, boats INT, at TIMESTAMP(3), WATERMARK FOR at AS at)
WITH ('connector' = 'kafka', 'topic' = 'lock_events', 'format' = 'json');

CREATE TABLE boats_per_quarter AS
SELECT lock PRIMARY KEY, window_start PRIMARY KEY, SUM(boats) AS boats
FROM lock_events
WINDOW TUMBLING(at, 15m)
GROUP BY lock
EMIT FINAL;

CREATE TABLE boats_so_far AS
SELECT lock PRIMARY KEY, SUM(boats) AS boats
FROM lock_events
GROUP BY lock;
