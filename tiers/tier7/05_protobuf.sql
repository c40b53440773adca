CREATE TABLE shop_orders (
    id BIGINT,
    total DECIMAL(12, 2),
    placed_at TIMESTAMP(3),
    status STRING,
    tags ARRAY<STRING>
)
WITH (
    'connector' = 'kafka',
    'topic' = 'shop_orders',
    'format' = 'protobuf',
    'protobuf.schema.file' = 'data/shop.proto',
    'protobuf.message' = 'shop.v1.Order'
);

CREATE STREAM read_orders AS
SELECT id, total, placed_at, status, CARDINALITY(tags) AS tags
FROM shop_orders;

CREATE TABLE open_total AS
SELECT status PRIMARY KEY, SUM(total) AS total
FROM shop_orders
WHERE status <> 'SENT'
GROUP BY status;
