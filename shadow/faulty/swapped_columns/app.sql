-- The program of ../../interval_join, made wrong: the amount of the order and what was paid stand in each other's column.

SET 'emit.semantics' = 'flink';

CREATE TABLE orders (
    order_id BIGINT,
    customer STRING,
    region STRING,
    amount DECIMAL(10, 2),
    ordered_at TIMESTAMP(3),
    WATERMARK FOR ordered_at AS ordered_at - INTERVAL '30' SECOND
)
WITH (
    'connector' = 'kafka',
    'topic' = 'shop.orders',
    'properties.bootstrap.servers' = 'kafka:9092',
    'scan.startup.mode' = 'earliest-offset',
    'format' = 'json'
);

CREATE TABLE payments (
    payment_id BIGINT,
    order_id BIGINT,
    paid_by STRING,
    paid DECIMAL(10, 2),
    paid_at TIMESTAMP(3),
    WATERMARK FOR paid_at AS paid_at - INTERVAL '30' SECOND
)
WITH (
    'connector' = 'kafka',
    'topic' = 'shop.payments',
    'properties.bootstrap.servers' = 'kafka:9092',
    'scan.startup.mode' = 'earliest-offset',
    'format' = 'json'
);

CREATE TABLE paid_orders (
    order_id BIGINT,
    payment_id BIGINT,
    customer STRING,
    region STRING,
    paid_by STRING,
    amount DECIMAL(10, 2),
    paid DECIMAL(10, 2),
    still_open DECIMAL(11, 2),
    ordered_at TIMESTAMP(3),
    paid_at TIMESTAMP(3)
)
WITH (
    'connector' = 'kafka',
    'topic' = 'shop.paid_orders',
    'properties.bootstrap.servers' = 'kafka:9092',
    'format' = 'json'
);

-- @metric: flink_paid_orders_rows_total
-- @metric_type: counter
-- @metric_help: Rows that paid_orders gave out
-- @metric_labels: region, paid_by
-- @metric: flink_paid_orders_amount
-- @metric_type: histogram
-- @metric_help: How amount of paid_orders is distributed
-- @metric_field: amount
-- @metric_buckets: 1, 10, 100, 1000, 10000, 100000
-- @metric: flink_paid_orders_paid
-- @metric_type: histogram
-- @metric_help: How paid of paid_orders is distributed
-- @metric_field: paid
-- @metric_buckets: 1, 10, 100, 1000, 10000, 100000
-- @metric: flink_paid_orders_still_open
-- @metric_type: histogram
-- @metric_help: How still_open of paid_orders is distributed
-- @metric_field: still_open
-- @metric_buckets: 1, 10, 100, 1000, 10000, 100000
INSERT INTO paid_orders
SELECT
    o.order_id,
    p.payment_id,
    o.customer,
    o.region,
    p.paid_by,
    p.paid,
    o.amount,
    o.amount - p.paid,
    o.ordered_at,
    p.paid_at
FROM orders AS o
JOIN payments AS p ON o.order_id = p.order_id
    AND p.paid_at BETWEEN o.ordered_at AND o.ordered_at + INTERVAL '15' MINUTE;
