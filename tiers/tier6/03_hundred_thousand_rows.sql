CREATE TABLE views_per_minute AS
SELECT
    page PRIMARY KEY,
    window_start PRIMARY KEY,
    window_end,
    COUNT(*) AS views,
    SUM(milliseconds) AS milliseconds,
    COUNT(DISTINCT user_id) AS users
FROM page_views
WINDOW TUMBLING(at, 1m)
GROUP BY page
EMIT FINAL
WITH ('page_views.event.time.field' = 'at', 'page_views.watermark.max_out_of_orderness' = '2s');

-- A second way to count the same: what both say must agree.
CREATE TABLE views_per_page AS
SELECT page PRIMARY KEY, COUNT(*) AS views, SUM(milliseconds) AS milliseconds
FROM page_views
GROUP BY page;
