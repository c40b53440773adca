-- Visits: clicks of one visitor with at most thirty seconds between them.
CREATE TABLE visits AS
SELECT
    visitor PRIMARY KEY,
    window_start PRIMARY KEY,
    window_end,
    COUNT(*) AS clicks,
    COUNT(DISTINCT page) AS pages
FROM web_clicks
WINDOW SESSION(at, 30s)
GROUP BY visitor
EMIT FINAL
WITH ('web_clicks.watermark.max_out_of_orderness' = '1m');
