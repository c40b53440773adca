-- Takings of each line, minute by minute.
CREATE TABLE takings AS
SELECT line PRIMARY KEY, window_start PRIMARY KEY, COUNT(*) AS rides, SUM(cents) AS cents
FROM bus_rides
WINDOW TUMBLING(at, 1m)
WHERE cents >= 100
GROUP BY line
EMIT FINAL
WITH ('bus_rides.event.time.field' = 'at', 'bus_rides.watermark.max_out_of_orderness' = '5s');
