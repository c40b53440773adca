-- @app: three_stages
-- @description: Clean orders, name the customer, sum up by country and minute

-- 1. Keep what is valid, in one currency.
CREATE STREAM clean_orders AS
SELECT
    order_id,
    customer_id,
    UPPER(TRIM(currency)) AS currency,
    CASE UPPER(TRIM(currency)) WHEN 'EUR' THEN amount * 1.08 WHEN 'GBP' THEN amount * 1.27 ELSE amount END AS amount_usd,
    ordered_at
FROM orders
WHERE amount > 0 AND customer_id IS NOT NULL
WITH (
    'orders.type' = 'kafka_source',
    'orders.topic' = 'orders',
    'orders.event.time.field' = 'ordered_at',
    'orders.watermark.max_out_of_orderness' = '10s'
);

-- 2. Who ordered. A customer that nobody knows is shown, not dropped.
CREATE STREAM named_orders AS
SELECT o.order_id, o.amount_usd, o.ordered_at, COALESCE(c.country, 'unknown') AS country, c.tier
FROM clean_orders o
LEFT JOIN customers c ON o.customer_id = c.customer_id
WITH (
    'customers.type' = 'file_source',
    'customers.path' = 'customers.csv',
    'customers.format' = 'csv',
    'customers.has_headers' = 'true'
);

-- 3. Revenue by country and minute.
CREATE TABLE country_revenue AS
SELECT
    country PRIMARY KEY,
    window_start PRIMARY KEY,
    COUNT(*) AS orders,
    SUM(amount_usd) AS revenue,
    MAX(amount_usd) AS largest
FROM named_orders
WINDOW TUMBLING(ordered_at, 1m)
GROUP BY country
EMIT FINAL;
