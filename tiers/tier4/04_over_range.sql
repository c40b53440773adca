-- What each card has spent in the sixty seconds up to each purchase.
CREATE TABLE purchases (
    card STRING,
    amount DECIMAL(8, 2),
    at TIMESTAMP(3),
    WATERMARK FOR at AS at - INTERVAL '1' SECOND
);

CREATE STREAM spending_pace AS
SELECT card, amount, at, SUM(amount) OVER w AS spent, COUNT(*) OVER w AS purchases
FROM purchases
WINDOW w AS (
    PARTITION BY card ORDER BY at RANGE BETWEEN INTERVAL '60' SECOND PRECEDING AND CURRENT ROW
);
