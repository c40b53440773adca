CREATE TABLE shipments (
    shipment BIGINT,
    attempt INT,
    kilos DECIMAL(6, 1),
    at TIMESTAMP(3),
    WATERMARK FOR at AS at - INTERVAL '10' SECOND
);

-- What a naive total says when a producer sends again.
CREATE TABLE naive_weight AS
SELECT COUNT(*) AS shipments, SUM(kilos) AS kilos
FROM shipments;

-- Each shipment once, however often it was sent.
CREATE STREAM once AS
SELECT shipment, attempt, kilos, at
FROM (
    SELECT *, ROW_NUMBER() OVER (PARTITION BY shipment ORDER BY at) AS rn
    FROM shipments
)
WHERE rn = 1;

CREATE TABLE true_weight AS
SELECT COUNT(*) AS shipments, SUM(kilos) AS kilos
FROM once;
