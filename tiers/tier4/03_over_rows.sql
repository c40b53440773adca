-- Each trade with what happened in the last three trades of its symbol.
CREATE TABLE stock_trades (
    symbol STRING,
    quantity BIGINT,
    price DECIMAL(8, 2),
    at TIMESTAMP(3),
    WATERMARK FOR at AS at
);

CREATE STREAM moving AS
SELECT
    symbol,
    at,
    SUM(quantity) OVER w AS volume,
    COUNT(quantity) OVER w AS known,
    MAX(price) OVER w AS high
FROM stock_trades
WINDOW w AS (PARTITION BY symbol ORDER BY at ROWS BETWEEN 2 PRECEDING AND CURRENT ROW);
