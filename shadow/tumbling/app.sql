-- Converted from: flink.sql

SET 'emit.semantics' = 'flink';

CREATE TABLE orders (
    order_id BIGINT,
    customer STRING,
    region STRING,
    amount DECIMAL(10, 2),
    weight DOUBLE,
    ordered_at TIMESTAMP(3),
    WATERMARK FOR ordered_at AS ordered_at - INTERVAL '5' MINUTE
)
WITH (
    'connector' = 'kafka',
    'topic' = 'shop.orders',
    'properties.bootstrap.servers' = 'kafka:9092',
    'scan.startup.mode' = 'earliest-offset',
    'format' = 'json'
);

CREATE TABLE region_turnover (
    region STRING,
    window_start TIMESTAMP(3),
    window_end TIMESTAMP(3),
    orders BIGINT,
    turnover DECIMAL(38, 2),
    mean_weight DOUBLE,
    largest DECIMAL(10, 2)
)
WITH (
    'connector' = 'kafka',
    'topic' = 'shop.region_turnover',
    'properties.bootstrap.servers' = 'kafka:9092',
    'format' = 'json'
);

-- @metric: flink_region_turnover_orders_total
-- @metric_type: counter
-- @metric_help: Number of rows of orders by region in windows of 10m
-- @metric_field: orders
-- @metric_labels: region
-- @metric_window: 10m
-- @metric: flink_region_turnover_turnover
-- @metric_type: gauge
-- @metric_help: Sum of amount of orders by region in windows of 10m, newest
-- @metric_field: turnover
-- @metric_labels: region
-- @metric_window: 10m
-- @metric: flink_region_turnover_mean_weight
-- @metric_type: gauge
-- @metric_help: Average of weight of orders by region in windows of 10m, newest
-- @metric_field: mean_weight
-- @metric_labels: region
-- @metric_window: 10m
-- @metric: flink_region_turnover_largest
-- @metric_type: gauge
-- @metric_help: Greatest amount of orders by region in windows of 10m, newest
-- @metric_field: largest
-- @metric_labels: region
-- @metric_window: 10m
INSERT INTO region_turnover
SELECT region, window_start, window_end, COUNT(*), SUM(amount), AVG(weight), MAX(amount)
FROM orders
GROUP BY region
WINDOW TUMBLING(ordered_at, INTERVAL '10' MINUTE)
EMIT FINAL;
