-- 1. Clean: typed, trimmed, without what cannot be used.
CREATE STREAM clean_orders AS
SELECT order_id, UPPER(TRIM(customer)) AS customer, TRY_CAST(euros AS DECIMAL(8, 2)) AS euros, at
FROM raw_orders
WHERE order_id IS NOT NULL AND TRY_CAST(euros AS DECIMAL(8, 2)) > 0;

-- 2. Aggregate: by customer and hour.
CREATE TABLE hourly_spending AS
SELECT customer PRIMARY KEY, window_start PRIMARY KEY, COUNT(*) AS orders, SUM(euros) AS euros
FROM clean_orders
WINDOW TUMBLING(at, 1h)
GROUP BY customer
EMIT FINAL;

-- 3. Alert: hours in which somebody spent a lot.
CREATE STREAM spending_alerts AS
SELECT customer, window_start AS hour_start, euros
FROM hourly_spending
WHERE euros >= 500;
