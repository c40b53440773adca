-- Clicks within ten minutes after the ad was shown.
CREATE STREAM conversions AS
SELECT i.ad, i.shown_at, c.clicked_at
FROM impressions i
JOIN ad_clicks c ON i.ad = c.ad
    AND c.clicked_at BETWEEN i.shown_at AND i.shown_at + INTERVAL '10' MINUTE
WITH ('impressions.event.time.field' = 'shown_at', 'ad_clicks.event.time.field' = 'clicked_at');

-- Every time an ad was shown, with the click if there was one.
CREATE STREAM shown AS
SELECT i.ad, i.shown_at, c.clicked_at
FROM impressions i
LEFT JOIN ad_clicks c ON i.ad = c.ad
    AND c.clicked_at BETWEEN i.shown_at AND i.shown_at + INTERVAL '10' MINUTE
WITH ('impressions.event.time.field' = 'shown_at', 'ad_clicks.event.time.field' = 'clicked_at');
