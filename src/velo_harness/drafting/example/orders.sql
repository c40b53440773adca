-- @app: orders
-- @description: Orders with the customer's country, and revenue by country and minute

-- Every paid order, with the country of its customer.
CREATE STREAM paid_orders AS
SELECT o.order_id, c.country, o.amount, o.ordered_at
FROM orders o
JOIN customers c ON o.customer_id = c.customer_id
WHERE o.status = 'paid'
WITH (
    'orders.type' = 'file_source',
    'orders.path' = 'data/orders.csv',
    'orders.format' = 'csv',
    'orders.has_headers' = 'true',
    'orders.event.time.field' = 'ordered_at',
    'orders.watermark.max_out_of_orderness' = '10s',
    'customers.type' = 'file_source',
    'customers.path' = 'data/customers.csv',
    'customers.format' = 'csv',
    'customers.has_headers' = 'true'
);

-- Revenue in one-minute windows of event time, emitted once a window is complete.
CREATE TABLE revenue AS
SELECT
    country PRIMARY KEY,
    window_start PRIMARY KEY,
    COUNT(*) AS orders,
    SUM(amount) AS revenue
FROM paid_orders
WINDOW TUMBLING(ordered_at, 1m)
GROUP BY country
EMIT FINAL;
