CREATE TABLE metres_per_minute AS
SELECT
    tram PRIMARY KEY,
    window_start PRIMARY KEY,
    window_end,
    COUNT(*) AS positions,
    SUM(metres) AS metres
FROM tram_positions
WINDOW TUMBLING(at, 1m)
GROUP BY tram
EMIT FINAL
WITH (
    'tram_positions.event.time.field' = 'at',
    'tram_positions.watermark.max_out_of_orderness' = '10s'
);
