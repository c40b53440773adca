CREATE STREAM copied AS
SELECT id, whole, floating, day, instant, floating * 10 AS tenfold, floating = 0 AS zero
FROM extremes;

CREATE TABLE smallest AS
SELECT MIN(whole) AS whole, MIN(day) AS day, MAX(instant) AS instant
FROM extremes;
