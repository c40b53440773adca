-- Several counts of the same plays, side by side.
CREATE TABLE charts AS
SELECT
    song PRIMARY KEY,
    COUNT(*) AS plays,
    COUNT(DISTINCT listener) AS listeners,
    COUNT(*) FILTER (WHERE seconds >= 30) AS full_plays,
    COUNT(DISTINCT listener) FILTER (WHERE seconds >= 30) AS full_listeners,
    SUM(CASE WHEN listener IS NULL THEN 1 ELSE 0 END) AS anonymous
FROM song_plays
GROUP BY song;
