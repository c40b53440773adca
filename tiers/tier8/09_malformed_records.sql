CREATE TABLE orders_placed (
    order_id BIGINT NOT NULL,
    customer STRING NOT NULL,
    euros DECIMAL(8, 2) NOT NULL
)
WITH (
    'connector' = 'kafka',
    'topic' = 'orders_placed',
    'format' = 'json',
    'json.fail-on-missing-field' = 'true'
);

CREATE STREAM accepted_orders AS
SELECT order_id, customer, euros
FROM orders_placed;
