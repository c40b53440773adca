CREATE TABLE race_results (
    runner STRING,
    seconds INT,
    at TIMESTAMP(3),
    WATERMARK FOR at AS at - INTERVAL '5' SECOND
);

-- The two fastest; of equal times, who came in first.
CREATE TABLE medals AS
SELECT runner, seconds
FROM race_results
ORDER BY seconds
LIMIT 2;

-- The same with a rule for ties that does not depend on arrival.
CREATE TABLE fair_medals AS
SELECT runner, seconds
FROM race_results
ORDER BY seconds, runner
LIMIT 2;

-- The last result of each runner by time.
CREATE TABLE last_results AS
SELECT runner, seconds
FROM (
    SELECT *, ROW_NUMBER() OVER (PARTITION BY runner ORDER BY at DESC) AS rn
    FROM race_results
)
WHERE rn = 1;

-- Who had the best time of all: everybody who had it.
CREATE TABLE record_holders AS
SELECT runner, seconds
FROM race_results
WHERE seconds = (
        SELECT MIN(seconds)
        FROM race_results
    );

-- How many results stand at the same instant, row by row.
CREATE STREAM same_instant AS
SELECT
    runner,
    COUNT(*) OVER (
        ORDER BY at
        RANGE BETWEEN INTERVAL '0' SECOND PRECEDING AND CURRENT ROW
    ) AS at_once
FROM race_results;
