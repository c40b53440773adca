CREATE TABLE well_levels (well STRING, metres INT, at TIMESTAMP(3), WATERMARK FOR at AS at)
WITH ('connector' = 'kafka', 'topic' = 'well_levels', 'format' = 'json');

CREATE TABLE lowest_level AS
SELECT window_start PRIMARY KEY, MIN(metres) AS lowest, COUNT(*) AS readings
FROM well_levels
WINDOW TUMBLING(at, 1h)
EMIT FINAL;
