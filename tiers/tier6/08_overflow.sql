CREATE TABLE positions (id BIGINT, price DECIMAL(20, 2), quantity DECIMAL(20, 2), lots INT);

-- DECIMAL(20, 2) times DECIMAL(20, 2) is DECIMAL(38, 4): 34 digits before the point.
CREATE STREAM worth AS
SELECT id, price * quantity AS worth
FROM positions;

-- Three digits before the point.
CREATE STREAM tickets AS
SELECT id, CAST(price AS DECIMAL(5, 2)) AS ticket
FROM positions;

-- Whole numbers of 32 bits.
CREATE STREAM lots_plus_one AS
SELECT id, lots + 1 AS more, CAST(lots AS BIGINT) + 1 AS more_exactly
FROM positions;

CREATE TABLE total_price AS
SELECT SUM(price) AS total
FROM positions;
