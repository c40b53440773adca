-- Positions per ten seconds; the watermark waits for five seconds, then rows are late.
CREATE TABLE strict_counts AS
SELECT window_start PRIMARY KEY, COUNT(*) AS positions, COUNT(DISTINCT bus) AS buses
FROM bus_positions
WINDOW TUMBLING(at, 10s)
EMIT FINAL
WITH ('bus_positions.watermark.max_out_of_orderness' = '5s');

-- The same, but a closed window takes corrections for twenty seconds more.
CREATE TABLE corrected_counts AS
SELECT window_start PRIMARY KEY, COUNT(*) AS positions, COUNT(DISTINCT bus) AS buses
FROM bus_positions
WINDOW TUMBLING(at, 10s)
WITH (
    'bus_positions.watermark.max_out_of_orderness' = '5s',
    'bus_positions.allowed.lateness' = '20s',
    'bus_positions.late.data.strategy' = 'update_previous'
);
