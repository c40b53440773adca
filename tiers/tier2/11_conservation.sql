-- Revenue of five minutes. Orders come up to ten seconds late.
CREATE TABLE five_minutes AS
SELECT
    country PRIMARY KEY,
    window_start PRIMARY KEY,
    window_end,
    COUNT(*) AS orders,
    SUM(amount) AS revenue,
    MIN(ordered_at) AS first_at,
    MAX(ordered_at) AS last_at
FROM orders
WINDOW TUMBLING(ordered_at, 5m)
GROUP BY country
EMIT FINAL
WITH ('orders.watermark.max_out_of_orderness' = '10s');
