-- @app: grouping
-- @description: Aggregates over a stream: every change is given out

CREATE TABLE totals AS
SELECT k PRIMARY KEY, COUNT(*) AS n, COUNT(v) AS known, SUM(v) AS total, AVG(v) AS mean, MIN(v) AS low, MAX(v) AS high
FROM events GROUP BY k EMIT CHANGES;

CREATE TABLE overall AS
SELECT COUNT(*) AS n, COUNT(DISTINCT k) AS groups, SUM(v) AS total FROM events EMIT CHANGES;

CREATE TABLE large AS
SELECT k PRIMARY KEY, SUM(v) AS total FROM events GROUP BY k HAVING SUM(v) > 10 EMIT CHANGES;

CREATE TABLE by_sign AS
SELECT CASE WHEN v < 0 THEN 'minus' ELSE 'plus' END AS sign, COUNT(*) AS n
FROM events WHERE v IS NOT NULL GROUP BY CASE WHEN v < 0 THEN 'minus' ELSE 'plus' END EMIT CHANGES;

CREATE TABLE sizes AS
SELECT n PRIMARY KEY, COUNT(*) AS groups FROM totals GROUP BY n EMIT CHANGES;

CREATE TABLE filtered_counts AS
SELECT k PRIMARY KEY, COUNT(*) FILTER (WHERE v > 0) AS positive, SUM(v) FILTER (WHERE v < 0) AS debts
FROM events GROUP BY k EMIT CHANGES;
