-- @app: minute_bars
-- @description: Trades by symbol in one-minute windows, in exact decimals

CREATE TABLE minute_bars AS
SELECT
    symbol PRIMARY KEY,
    window_start PRIMARY KEY,
    window_end,
    COUNT(*) AS trades,
    SUM(quantity) AS volume,
    SUM(price * quantity) AS turnover,
    AVG(price) AS average_price,
    SUM(price * quantity) / SUM(quantity) AS vwap,
    MIN(price) AS low,
    MAX(price) AS high
FROM trades
WINDOW TUMBLING(event_time, 1m)
GROUP BY symbol
EMIT FINAL
WITH (
    'trades.type' = 'kafka_source',
    'trades.topic' = 'trades',
    'trades.event.time.field' = 'event_time',
    'trades.watermark.max_out_of_orderness' = '5s'
);

CREATE STREAM large_trades AS
SELECT trade_id, symbol, price, quantity, price * quantity AS amount
FROM trades
WHERE price * quantity > 100000
WITH (
    'trades.type' = 'kafka_source',
    'trades.topic' = 'trades',
    'trades.event.time.field' = 'event_time',
    'trades.watermark.max_out_of_orderness' = '5s'
);

CREATE TABLE positions AS
SELECT
    symbol PRIMARY KEY,
    COUNT(*) AS trades,
    SUM(CASE WHEN side = 'BUY' THEN quantity ELSE -quantity END) AS position,
    SUM(price * quantity) AS turnover
FROM trades
GROUP BY symbol
EMIT CHANGES
WITH (
    'trades.type' = 'kafka_source',
    'trades.topic' = 'trades'
);
